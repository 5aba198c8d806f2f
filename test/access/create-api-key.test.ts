import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type DatabasePool, openDatabase, sql } from '../../src/platform/db.ts';
import { cleanUp, processesBelow, tempFolder, waitFor } from '../fixtures/embedded-postgres-harness.ts';
import { type Ended, Terminal } from '../harness/cli.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { silentLogger } from '../harness/logger.ts';
import { endMedics, runMedic } from '../harness/process.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

let database: TestDatabase;
let db: DatabasePool;
let terminal: Terminal;
beforeEach(async () => {
  database = await createTestDatabase();
  db = openDatabase({ connection: database.connection, poolSize: 1, log: silentLogger() });
  terminal = new Terminal({ DATABASE_URL: database.url });
});
afterEach(async () => {
  await endMedics();
  terminal.close();
  await db.end();
  await database.drop();
  await cleanUp();
});

const KEY = /mdk_[A-Za-z0-9_-]{43}/;
const create = (...args: string[]) => terminal.run(['create-api-key', ...args]);
const keys = async () =>
  (await db.query(sql`select name, scopes, expires_at, key_prefix from medic.api_keys order by api_key_id`))
    .rows;

function keyIn({ stdout, stderr, code }: Ended): string {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [key = '', ...more] = stdout.toString().match(new RegExp(KEY, 'g')) ?? [];
  expect(more).toEqual([]);
  return key;
}

/** The status with which `medic api` on the same database answers the key. */
async function statusOf(key: string): Promise<number> {
  const medic = runMedic({ args: ['api'], env: { DATABASE_URL: database.url, MEDIC_AUTH_MODE: 'required' } });
  const headers = { authorization: `Bearer ${key}` };
  return (await fetch(`${await medic.url()}/v2/services`, { headers })).status;
}

test('a key is printed once, reads by default, and lets its owner in', async () => {
  const ended = await create('--name', ' ci ');
  const key = keyIn(ended);
  expect(ended.stdout.toString()).toBe(
    `API key "ci" with read, valid without end:\n${key}\nIt is shown only now.\n`,
  );
  expect(await keys()).toEqual([
    { name: 'ci', scopes: ['read'], expires_at: null, key_prefix: key.slice(4, 12) },
  ]);
  expect(await statusOf(key)).toBe(200);
});

test('scopes, end and --quiet', async () => {
  const ended = await create(
    '--name',
    'ci',
    '--scopes',
    'Write',
    'ADMIN',
    '--expires',
    '2999-01-31',
    '--quiet',
  );
  expect(ended.stdout.toString()).toBe(`${keyIn(ended)}\n`);
  expect(await keys()).toMatchObject([
    { scopes: ['write', 'admin'], expires_at: new Date('2999-01-31T00:00:00Z') },
  ]);
});

test('an existing name is refused with 1, and replaced with --force', async () => {
  const first = keyIn(await create('--name', 'ci', '--scopes', 'write', '--quiet'));
  const again = await create('--name', 'ci');
  expect(again).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^medic: .*ci exists already.*--force/),
  });
  expect(again.stdout.toString()).toBe('');
  const second = keyIn(await create('--name', 'ci', '--force', '--expires', '2999-01-31'));
  expect(second).not.toBe(first);
  expect(await keys()).toMatchObject([{ name: 'ci', scopes: ['read'], expires_at: expect.any(Date) }]);
  expect(await statusOf(first)).toBe(401);
  expect(await statusOf(second)).toBe(200);
  keyIn(await create('--name', 'new', '--force'));
});

test('--force does not narrow the last admin', async () => {
  keyIn(await create('--name', 'admin', '--scopes', 'admin'));
  const before = await keys();
  expect(await create('--name', 'admin', '--force')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('last key with the scope admin'),
  });
  expect(await keys()).toEqual(before);
  keyIn(await create('--name', 'admin', '--scopes', 'admin', '--force'));
});

test.each<[args: string[], word: string]>([
  [[], '--name'],
  [['--name'], '--name'],
  [['--name', ' '], '--name'],
  [['--name', 'x'.repeat(256)], '--name'],
  [['--name', 'a\nb'], '--name'],
  [['--name', 'ci', '--scopes'], '--scopes'],
  [['--name', 'ci', '--scopes', 'read', 'root'], '--scopes'],
  [['--name', 'ci', '--expires', 'soon'], '--expires'],
  [['--name', 'ci', '--expires', '2000-01-01'], '--expires must be in the future'],
  [['--name', 'ci', 'more'], 'argument'],
  [['--name', 'ci', '--admin'], '--admin'],
])('%j is wrong usage', async (args, word) => {
  expect(await create(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(word) });
  expect(await keys()).toEqual([]);
});

test('it says when the database is away, has no schema, or is nowhere', async () => {
  const folder = await tempFolder();
  const away = `postgres://nobody@/none?host=${encodeURIComponent(folder)}`;
  const env = (more: Record<string, string>) => ({ env: { DATABASE_URL: '', ...more } });
  const run = (more: Record<string, string>) => terminal.run(['create-api-key', '--name', 'ci'], env(more));
  expect(await run({ DATABASE_URL: away })).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^medic: the database does not answer/),
  });
  expect(await run({ MEDIC_DATA_DIR: folder })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(folder),
  });
  await db.query(
    sql`delete from medic.schema_migrations where version = (select max(version) from medic.schema_migrations)`,
  );
  expect(await create('--name', 'ci')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('"medic migrate"'),
  });
  expect(await keys()).toEqual([]);
});

test('on the embedded database it works while Medic runs, and when it does not', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const env = { MEDIC_DATA_DIR: dataDir, MEDIC_AUTH_MODE: 'required' };
  const medic = runMedic({ env });
  const url = await medic.url();
  const options = { env: { DATABASE_URL: '', ...env } };
  const running = keyIn(await terminal.run(['create-api-key', '--name', 'one', '--quiet'], options));
  const status = async (at: string, key: string) =>
    (await fetch(`${at}/v2/services`, { headers: { authorization: `Bearer ${key}` } })).status;
  expect(await status(url, running)).toBe(200);
  medic.child.kill('SIGTERM');
  expect(await medic.ended()).toMatchObject({ code: 0 });

  const stopped = keyIn(await terminal.run(['create-api-key', '--name', 'two', '--quiet'], options));
  expect(processesBelow(dataDir)).toEqual([]);
  const again = await runMedic({ env }).url();
  expect([await status(again, running), await status(again, stopped)]).toEqual([200, 200]);
});

test('it waits for a Medic that is just starting', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const env = { MEDIC_DATA_DIR: dataDir, MEDIC_AUTH_MODE: 'off' };
  const first = runMedic({ env });
  await first.url();
  first.child.kill('SIGTERM');
  await first.ended();
  const medic = runMedic({ env });
  await waitFor(() => processesBelow(dataDir).length > 0);
  medic.child.kill('SIGSTOP');
  const options = { env: { DATABASE_URL: '', ...env } };
  const early = terminal.run(['create-api-key', '--name', 'early', '--quiet'], options);
  await sleep(1_500);
  medic.child.kill('SIGCONT');
  keyIn(await early);
  await medic.url();
});
