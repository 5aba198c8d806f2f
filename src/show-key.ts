import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from './platform/db.ts';

/**
 * Shows the operator the first key, once and outside of the log (spec 05 section 2): on the terminal if there is one,
 * otherwise in a file that only the user of Medic can read. What is written is on the disk before this resolves.
 * Rejects with what to do when the file cannot be written.
 */
export async function showFirstKey(key: string, dataDir: string): Promise<void> {
  if (process.stdout.isTTY) {
    process.stdout.write(`API key "admin", shown only now: ${key}\n`);
    return;
  }
  const file = path.resolve(dataDir, 'admin-api-key');
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await writeDurably(file, `${key}\n`);
  } catch (error) {
    // No cause: its code would read like that of a database that does not answer.
    throw new Error(
      `the first API key cannot be written to ${file} (${errorCode(error)}): let MEDIC_DATA_DIR be a folder that ` +
        'Medic may write to, or set MEDIC_ADMIN_API_KEY, or set MEDIC_AUTO_CREATE_ADMIN_KEY=false and run ' +
        '"medic create-api-key"',
    );
  }
  process.stdout.write(`API key "admin" is in ${file}: keep it elsewhere and remove the file\n`);
}

/** A new file that takes the place of an old one, so that neither a link nor the rights of that one matter. */
async function writeDurably(file: string, content: string): Promise<void> {
  const unfinished = `${file}.new`;
  await rm(unfinished, { force: true });
  const handle = await open(unfinished, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, file);
  const folder = await open(path.dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
