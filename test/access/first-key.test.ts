import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { cleanUp, NODE, tempFolder } from '../fixtures/embedded-postgres-harness.ts';
import { endMedics, type MedicProcess, runMedic } from '../harness/process.ts';
import { createSite, type Site } from '../harness/site.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

let site: Site | undefined;
afterEach(async () => {
  await endMedics();
  await site?.close();
  site = undefined;
  await cleanUp();
});

const KEY = /mdk_[A-Za-z0-9_-]{43}/;
const REQUIRED = { MEDIC_AUTH_MODE: 'required' };
const MAIN = join(import.meta.dirname, '../../src/main.ts');
const hasScript = spawnSync('script', ['--version']).status === 0;

/** The status with which a key is answered where the scope admin is needed. */
async function statusOf(url: string, key: string): Promise<number> {
  const response = await fetch(`${url}/v2/api-keys`, { headers: { authorization: `Bearer ${key}` } });
  await response.text();
  return response.status;
}

async function stop(medic: MedicProcess): Promise<void> {
  medic.child.kill('SIGTERM');
  expect(await medic.ended(), medic.output()).toMatchObject({ code: 0 });
}

const plainLines = (medic: MedicProcess) =>
  medic
    .output()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'));

test('the first start keeps the key in a file of its user, says where, and no other start does', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const file = join(dataDir, 'admin-api-key');
  const env = { ...REQUIRED, MEDIC_DATA_DIR: dataDir };
  const first = runMedic({ env });
  const url = await first.url();
  const content = readFileSync(file, 'utf8');
  expect(content).toMatch(new RegExp(`^${KEY.source}\n$`));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(existsSync(`${file}.new`)).toBe(false);
  expect(plainLines(first).filter((line) => line.includes(file))).toHaveLength(1);
  expect(await statusOf(url, content.trim())).toBe(200);
  expect(await statusOf(url, `${content.trim().slice(0, -1)}!`)).toBe(401);
  await stop(first);

  const second = runMedic({ env });
  expect(await statusOf(await second.url(), content.trim())).toBe(200);
  await stop(second);
  expect(readFileSync(file, 'utf8')).toBe(content);
  expect(second.output()).not.toContain(file);
  for (const medic of [first, second]) expect(medic.output()).not.toMatch(/mdk_/);
});

test.skipIf(!hasScript)('on a terminal the first key is one plain line, and in no file', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const env = { ...REQUIRED, MEDIC_DATA_DIR: dataDir };
  const medic = runMedic({
    command: 'script',
    args: ['-qec', `${NODE} ${MAIN}`, '/dev/null'],
    env: { ...env, TERM: 'dumb', SHELL: '/bin/sh' },
  });
  const url = (await medic.url()).trim();
  const shown = medic
    .output()
    .split(/\r?\n/)
    .filter((line) => KEY.test(line));
  expect(shown).toEqual([
    expect.stringMatching(new RegExp(`^API key "admin", shown only now: ${KEY.source}$`)),
  ]);
  expect(existsSync(join(dataDir, 'admin-api-key'))).toBe(false);
  expect(await statusOf(url, KEY.exec(shown[0] ?? '')?.[0] ?? '')).toBe(200);
  expect(JSON.stringify(medic.lines())).not.toContain('mdk_');
});

test('processes that start together make one key, which is in the file', async () => {
  site = await createSite();
  const dataDir = await tempFolder();
  const env = { ...REQUIRED, MEDIC_AUTO_CREATE_ADMIN_KEY: 'true', MEDIC_DATA_DIR: dataDir };
  const [one, two, three] = ['all', 'api', 'api'].map((role) => (site as Site).run(role, env)) as [
    MedicProcess,
    MedicProcess,
    MedicProcess,
  ];
  const urls = await Promise.all([one.url(), two.url(), three.url()]);
  expect(await site.query('select name, scopes, expires_at from medic.api_keys')).toEqual([
    { name: 'admin', scopes: ['read', 'write', 'admin'], expires_at: null },
  ]);
  const key = readFileSync(join(dataDir, 'admin-api-key'), 'utf8').trim();
  for (const url of urls) expect(await statusOf(url, key)).toBe(200);
  const told = [one, two, three].filter((medic) => medic.output().includes('admin-api-key'));
  expect(told).toHaveLength(1);
});

/** Lets the end of the transaction that makes a key do something first. */
async function atCommit(body: string): Promise<void> {
  await site?.query(`
    create function medic.at_commit() returns trigger language plpgsql as $$ begin ${body}; return null; end $$`);
  await site?.query(`
    create constraint trigger at_commit after insert on medic.api_keys deferrable initially deferred
    for each row execute function medic.at_commit()`);
}

test('a key that could not be committed is replaced in the file by the one that was', async () => {
  site = await createSite();
  const dataDir = await tempFolder();
  const file = join(dataDir, 'admin-api-key');
  await atCommit("raise exception 'terminating connection' using errcode = '57P01'");
  const env = { ...REQUIRED, MEDIC_AUTO_CREATE_ADMIN_KEY: 'true', MEDIC_DATA_DIR: dataDir };
  const medic = site.run('api', env);
  await vi.waitFor(() => expect(existsSync(file)).toBe(true), { timeout: 10_000 });
  const lost = readFileSync(file, 'utf8').trim();
  await site.query('drop trigger at_commit on medic.api_keys');
  const url = await medic.url();
  const key = readFileSync(file, 'utf8').trim();
  expect(key).not.toBe(lost);
  expect([await statusOf(url, key), await statusOf(url, lost)]).toEqual([200, 401]);
});

test('kill -9 in the midst of the commit: the key in the file is the one that counts afterwards', async () => {
  site = await createSite();
  const dataDir = await tempFolder();
  const file = join(dataDir, 'admin-api-key');
  await atCommit('perform pg_sleep(1)');
  const env = { ...REQUIRED, MEDIC_AUTO_CREATE_ADMIN_KEY: 'true', MEDIC_DATA_DIR: dataDir };
  const first = site.run('api', env);
  await vi.waitFor(() => expect(existsSync(file)).toBe(true), { timeout: 10_000 });
  first.child.kill('SIGKILL');
  await first.ended();
  const url = await site.run('api', env).url();
  expect(await statusOf(url, readFileSync(file, 'utf8').trim())).toBe(200);
  expect(await site.query('select from medic.api_keys')).toHaveLength(1);
});

test('a link in the place of the file is replaced, and what it leads to is left alone', async () => {
  site = await createSite();
  const dataDir = await tempFolder();
  const elsewhere = join(dataDir, 'elsewhere');
  writeFileSync(elsewhere, 'mine', { mode: 0o644 });
  for (const name of ['admin-api-key', 'admin-api-key.new']) symlinkSync(elsewhere, join(dataDir, name));
  const env = { ...REQUIRED, MEDIC_AUTO_CREATE_ADMIN_KEY: '1', MEDIC_DATA_DIR: dataDir };
  await site.run('api', env).url();
  expect(readFileSync(elsewhere, 'utf8')).toBe('mine');
  expect(statSync(join(dataDir, 'admin-api-key')).mode & 0o777).toBe(0o600);
});

test('when the key cannot be written the start fails, says what to do, and makes none', async () => {
  site = await createSite();
  const file = join(await tempFolder(), 'file');
  writeFileSync(file, '');
  const env = { ...REQUIRED, MEDIC_AUTO_CREATE_ADMIN_KEY: 'true', MEDIC_DATA_DIR: join(file, 'data') };
  const medic = site.run('api', env);
  expect(await medic.ended()).toMatchObject({ code: 1 });
  expect(medic.output()).toMatch(/^medic: the first API key cannot be written to .*MEDIC_ADMIN_API_KEY/m);
  expect(await site.query('select from medic.api_keys')).toEqual([]);
});

test('without a key, and where none may be made, the log says how to make one', async () => {
  site = await createSite();
  const medic = site.run('api', REQUIRED);
  expect(await statusOf(await medic.url(), 'x')).toBe(401);
  const warnings = medic.lines().filter(({ level }) => level === 'WARNING');
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining('medic create-api-key --name admin --scopes admin'),
  ]);
  expect(await site.query('select from medic.api_keys')).toEqual([]);
});

test('where nobody must authenticate no key is made, and the log says that everybody may do everything', async () => {
  site = await createSite();
  const medic = site.run('api', { MEDIC_AUTH_MODE: 'off', MEDIC_AUTO_CREATE_ADMIN_KEY: 'true' });
  expect((await fetch(`${await medic.url()}/v2/api-keys`)).status).toBe(200);
  expect(await site.query('select from medic.api_keys')).toEqual([]);
  const warnings = medic.lines().filter(({ level }) => level === 'WARNING');
  expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining('MEDIC_AUTH_MODE is off')]);
});

test.each([
  'mdk_short',
  `key_${'a'.repeat(43)}`,
  `mdk_${'a'.repeat(42)}+`,
  `mdk_${'a'.repeat(500)}`,
  'secret',
])('MEDIC_ADMIN_API_KEY=%s stops the start, and the message does not repeat it', async (value) => {
  const medic = runMedic({ env: { MEDIC_ADMIN_API_KEY: value, MEDIC_DATA_DIR: '/nowhere' } });
  expect(await medic.ended()).toMatchObject({ code: 1 });
  expect(medic.output()).toContain('MEDIC_ADMIN_API_KEY: must be mdk_');
  expect(medic.output()).not.toContain(value);
});

const CHOSEN = `mdk_${'chosen-by-the-operator_'.padEnd(43, '7')}`;
const OTHER = `mdk_${'other'.padEnd(32, '-')}`;

test('MEDIC_ADMIN_API_KEY is the key admin: the same value changes nothing, another one replaces it', async () => {
  site = await createSite();
  const run = async (key: string) => {
    const medic = (site as Site).run('api', { ...REQUIRED, MEDIC_ADMIN_API_KEY: key });
    return { medic, url: await medic.url() };
  };
  const state = async () => ({
    keys: await site?.query('select name, key_hash, scopes, expires_at, updated_at from medic.api_keys'),
    sessions: await site?.query('select count(*)::int as count from medic.sessions'),
  });
  const first = await run(CHOSEN);
  expect(await statusOf(first.url, CHOSEN)).toBe(200);
  await site.query(`
    insert into medic.sessions (token_hash, api_key_id, created_at, expires_at)
    select sha256('x'), api_key_id, created_at, created_at + interval '1 hour' from medic.api_keys`);
  const before = await state();
  expect(before.keys).toHaveLength(1);
  const second = await run(CHOSEN);
  expect(await state()).toEqual(before);

  await site.query(`update medic.api_keys set scopes = '{read}', expires_at = '2000-01-01'`);
  const third = await run(CHOSEN);
  expect(await state()).toEqual({
    keys: [{ ...before.keys?.[0], updated_at: expect.any(Date) }],
    sessions: [{ count: 1 }],
  });

  const fourth = await run(OTHER);
  expect(await statusOf(fourth.url, OTHER)).toBe(200);
  await vi.waitFor(async () => expect(await statusOf(first.url, CHOSEN)).toBe(401), { timeout: 5_000 });
  expect(await state()).toMatchObject({ keys: [{ name: 'admin' }], sessions: [{ count: 0 }] });
  for (const { medic } of [first, second, third, fourth]) expect(medic.output()).not.toContain('mdk_');
});

test('MEDIC_ADMIN_API_KEY that begins like another key stops the start and names that key', async () => {
  site = await createSite();
  await site.query(`
    insert into medic.api_keys (name, key_prefix, key_hash, scopes, created_at, updated_at)
    values ('taken', '${CHOSEN.slice(4, 12)}', 'x', '{read}', 'now', 'now')`);
  const medic = site.run('api', { ...REQUIRED, MEDIC_ADMIN_API_KEY: CHOSEN });
  expect(await medic.ended()).toMatchObject({ code: 1 });
  expect(medic.output()).toMatch(/^medic: MEDIC_ADMIN_API_KEY: .*taken/m);
  expect(medic.output()).not.toContain(CHOSEN);
});
