import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from './config.ts';
import { withSecretsKey } from './secrets-key.ts';
import { decodeKey } from './vault.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'medic-key-'));
  file = path.join(folder, 'secrets.key');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const start = (environment: Record<string, string> = {}) =>
  withSecretsKey(readConfig({ MEDIC_DATA_DIR: folder, ...environment }));
const KEY = Buffer.alloc(32, 7).toString('base64');

describe('without a variable and with the embedded database', () => {
  test('a key is generated once, readable by its owner alone, and nothing else is left', async () => {
    const first = await start();
    expect(decodeKey(first.config.MEDIC_SECRETS_KEY ?? '')).toHaveLength(32);
    expect(first.generated).toBe(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['secrets.key']);
    const second = await start();
    expect(second.config.MEDIC_SECRETS_KEY).toBe(first.config.MEDIC_SECRETS_KEY);
    expect(second.generated).toBeUndefined();
  });

  test('the folder is made when it is missing', async () => {
    const deep = path.join(folder, 'new', 'data');
    const { generated } = await start({ MEDIC_DATA_DIR: deep });
    expect(generated).toBe(path.join(deep, 'secrets.key'));
  });

  test('many that start together use one key, which one of them generated', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => start()));
    expect(new Set(all.map(({ config }) => config.MEDIC_SECRETS_KEY)).size).toBe(1);
    expect(all.filter(({ generated }) => generated !== undefined)).toHaveLength(1);
    expect(await readdir(folder)).toEqual(['secrets.key']);
  });

  test('processes that start together use one key', async () => {
    const script = `
      import { readConfig } from '${path.join(import.meta.dirname, 'config.ts')}';
      import { withSecretsKey } from '${path.join(import.meta.dirname, 'secrets-key.ts')}';
      console.log((await withSecretsKey(readConfig({ MEDIC_DATA_DIR: '${folder}' }))).config.MEDIC_SECRETS_KEY);`;
    const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    const outputs = await Promise.all(Array.from({ length: 4 }, run));
    const keys = new Set(outputs.map(({ stdout }) => stdout.trim()));
    expect([...keys]).toEqual([(await readFile(file, 'utf8')).trim()]);
  });

  test('what an attempt that was killed left behind does not matter', async () => {
    await writeFile(`${file}.0123456789ab`, 'half');
    const { config } = await start();
    expect(decodeKey(config.MEDIC_SECRETS_KEY ?? '')).toHaveLength(32);
  });

  test('a key of the operator is used, also through a link', async () => {
    await writeFile(path.join(folder, 'elsewhere'), KEY);
    await symlink('elsewhere', file);
    expect((await start()).config.MEDIC_SECRETS_KEY).toBe(KEY);
  });

  test.each([
    ['empty', ''],
    ['cut off', KEY.slice(0, 20)],
    ['of another length', Buffer.alloc(16, 7).toString('base64')],
    ['of other bytes', '\0\xff\n'],
  ])('a file that is %s stops the start and stays as it is', async (_, content) => {
    await writeFile(file, content, { encoding: 'latin1', mode: 0o600 });
    await expect(start()).rejects.toThrow(`${file} is damaged`);
    if (content.length > 4) await expect(start()).rejects.not.toThrow(content);
    expect(await readFile(file, 'latin1')).toBe(content);
  });

  test('a file that cannot be read stops the start', async () => {
    await mkdir(file);
    await expect(start()).rejects.toThrow(`${file} cannot be read (EISDIR)`);
  });

  test.skipIf(process.getuid?.() === 0)('a file of somebody else stops the start', async () => {
    await writeFile(file, KEY);
    await chmod(file, 0);
    await expect(start()).rejects.toThrow(`${file} cannot be read (EACCES)`);
  });

  test('a previous key needs no variable for the present one', async () => {
    const { config } = await start({ MEDIC_SECRETS_KEY_PREVIOUS: KEY });
    expect(config.MEDIC_SECRETS_KEY).not.toBe(KEY);
  });
});

test.each([
  ['the variable', { MEDIC_SECRETS_KEY: KEY }, KEY],
  ['an external database', { DATABASE_URL: 'postgres://u@h/d' }, undefined],
])('with %s nothing is generated', async (_, environment, key) => {
  const { config, generated } = await start(environment as unknown as Record<string, string>);
  expect([config.MEDIC_SECRETS_KEY, generated]).toEqual([key, undefined]);
  expect(await readdir(folder)).toEqual([]);
});
