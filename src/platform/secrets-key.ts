/**
 * The key of the secrets of an installation with the embedded database and without MEDIC_SECRETS_KEY.
 * In: the data folder. Out: `secrets.key` in it, the base64 of 32 bytes, made once and never replaced.
 * Crash: the file is complete and on disk, or not there; what is left of an attempt is another file.
 */
import { randomBytes } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Config, Settings } from './config.ts';
import { errorCode } from './db.ts';
import { openDataFolder } from './embedded-postgres.ts';
import { decodeKey, Vault } from './vault.ts';

export interface Keyed {
  config: Config;
  /** The file of a key that was generated just now. */
  generated: string | undefined;
}

/**
 * The configuration with its MEDIC_SECRETS_KEY, generated where there is none and the database is the embedded one.
 * Rejects with a message for the operator when the file cannot be used.
 */
export async function withSecretsKey(config: Config): Promise<Keyed> {
  if (config.MEDIC_SECRETS_KEY !== undefined || config.database !== undefined) {
    return { config, generated: undefined };
  }
  const folder = await openDataFolder(config.MEDIC_DATA_DIR);
  const file = path.join(folder, 'secrets.key');
  const found = await readKey(file);
  const created = found === undefined && (await createKey(file));
  const key = found ?? (await readKey(file));
  if (key === undefined) throw new Error(`${file} was removed just now`);
  // Also when another process made it just now: what is sealed with it must not outlive it.
  await sync(folder);
  return { config: { ...config, MEDIC_SECRETS_KEY: key }, generated: created ? file : undefined };
}

/** The vault for the keys of the settings; without any it is not configured. */
export function vaultOf(settings: Pick<Settings, 'MEDIC_SECRETS_KEY' | 'MEDIC_SECRETS_KEY_PREVIOUS'>): Vault {
  const { MEDIC_SECRETS_KEY: current, MEDIC_SECRETS_KEY_PREVIOUS: previous } = settings;
  return new Vault({
    current: current === undefined ? undefined : decodeKey(current),
    previous: previous === undefined ? undefined : decodeKey(previous),
  });
}

/** Undefined: there is none. */
async function readKey(file: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'latin1');
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return undefined;
    throw new Error(`${file} cannot be read (${code}): let the user that runs Medic read it, or restore it`);
  }
  const key = text.trim();
  if (decodeKey(key) !== undefined) return key;
  throw new Error(
    `${file} is damaged: it must hold the base64 of 32 bytes; restore it from a backup. ` +
      'Without it the stored secrets are lost: only then remove it, and Medic generates another key',
  );
}

/** A complete file gets its name in one step, unless the name is taken. @returns false when it is */
async function createKey(file: string): Promise<boolean> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(`${randomBytes(32).toString('base64')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EEXIST') return false;
    throw new Error(`${file} cannot be made (${code}): set MEDIC_SECRETS_KEY, or repair the folder`);
  } finally {
    await rm(draft, { force: true });
  }
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
