import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { changeSecret, createSecret, sealedSecrets, secretsFor } from '../src/features/access/secrets.ts';
import { ManualClock } from '../src/platform/clock.ts';
import { type DatabasePool, openDatabase, sql } from '../src/platform/db.ts';
import { rotate } from '../src/platform/rotation.ts';
import { Vault } from '../src/platform/vault.ts';
import { createTestDatabase, type TestDatabase } from './harness/database.ts';
import { silentLogger } from './harness/logger.ts';
import { endMedics, eventually, runMedic } from './harness/process.ts';

const OLD = randomBytes(32);
const NEW = randomBytes(32);
const before = new Vault({ current: OLD, previous: undefined });
const during = new Vault({ current: NEW, previous: OLD });
const after = new Vault({ current: NEW, previous: undefined });
const clock = new ManualClock(new Date('2026-03-08T08:00:00Z'));

let database: TestDatabase;
let db: DatabasePool;
beforeEach(async () => {
  database = await createTestDatabase();
  db = openDatabase({ connection: database.connection, poolSize: 8, log: silentLogger() });
});
afterEach(async () => {
  await endMedics();
  await db.end();
  await database.drop();
});

const nameNo = (n: number) => `SECRET_${String(n).padStart(4, '0')}`;
const valueNo = (n: number) => `value ${n}`;
async function fill(count: number, vault = before): Promise<string[]> {
  const names = Array.from({ length: count }, (_, n) => nameNo(n));
  await Promise.all(
    names.map((name, n) => createSecret({ db, clock, vault }, { name, value: valueNo(n) }, 'test')),
  );
  return names;
}
async function countSealedWith(vault: Vault): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    sql`select count(*)::int as count from medic.secrets where key_id = ${vault.currentKeyId}`,
  );
  return rows[0]?.count ?? 0;
}
/** Backends that wait for the gate. */
async function waiting(): Promise<number[]> {
  const { rows } = await db.query<{ pid: number }>(sql`
    select pid from pg_locks where locktype = 'advisory' and not granted
      and database = (select oid from pg_database where datname = current_database())`);
  return rows.map(({ pid }) => pid);
}
const run = (environment: Record<string, string> = {}) =>
  runMedic({
    args: ['rotate-secrets'],
    env: {
      DATABASE_URL: database.url,
      MEDIC_SECRETS_KEY: NEW.toString('base64'),
      MEDIC_SECRETS_KEY_PREVIOUS: OLD.toString('base64'),
      ...environment,
    },
  });

describe('medic rotate-secrets', () => {
  test('seals everything with the current key, says how much, and can be repeated', async () => {
    const names = await fill(250);
    const first = run();
    expect(await first.ended()).toMatchObject({ code: 0 });
    expect(first.output()).toBe(
      ['secrets: 250', 'addresses of notifications: 0', 'targets: 0', 'webhooks: 0']
        .map((line) => `${line} re-encrypted\n`)
        .join(''),
    );
    expect(await secretsFor(db, after, names)).toEqual(new Map(names.map((name, n) => [name, valueNo(n)])));

    const second = run({ MEDIC_SECRETS_KEY_PREVIOUS: '' });
    expect(await second.ended()).toMatchObject({ code: 0 });
    expect(second.output()).toContain('secrets: 0 re-encrypted');
  });

  test('changes neither values, descriptions nor times', async () => {
    const secret = { name: 'A', value: 'value', description: 'd' };
    const created = await createSecret({ db, clock, vault: before }, secret, 'test');
    await run().ended();
    const { rows } = await db.query(sql`select name, description, created_at, updated_at from medic.secrets`);
    expect(rows).toEqual([created]);
  });

  test('names what it cannot decrypt, after everything else, and ends with 1', async () => {
    const names = await fill(120);
    const stranger = new Vault({ current: randomBytes(32), previous: undefined });
    await changeSecret({ db, clock, vault: stranger }, nameNo(5), { value: 'hunter2' }, 'test');
    await db.query(sql`update medic.secrets set sealed = 'nonsense' where name = ${nameNo(110)}`);
    const command = run();
    expect(await command.ended()).toMatchObject({ code: 1 });
    expect(command.output()).toContain(`secrets: ${nameNo(5)} cannot be decrypted\n`);
    expect(command.output()).toContain(`secrets: ${nameNo(110)} cannot be decrypted\n`);
    expect(command.output()).toContain('secrets: 118 re-encrypted\n');
    expect(command.output()).toContain('addresses of notifications: 0 re-encrypted\n');
    expect(command.output()).not.toMatch(/hunter2|nonsense|v1:/);
    const readable = names.filter((name) => name !== nameNo(5) && name !== nameNo(110));
    expect((await secretsFor(db, after, readable)).size).toBe(118);
  });

  test('is killed in the middle, loses nothing, and goes on', async () => {
    const names = await fill(250);
    // The second batch stops at a gate that the test holds closed.
    await db.pool.query(`
      create function gate() returns trigger language plpgsql as
        'begin perform pg_advisory_xact_lock(7); return new; end';
      create trigger gate before update on medic.secrets for each row
        when (new.name = '${nameNo(150)}') execute function gate()`);
    const gate = await db.pool.connect();
    await gate.query('select pg_advisory_lock(7)');
    const killed = run();
    await eventually('it waits', 30_000, async () => (await waiting()).length === 1);
    killed.child.kill('SIGKILL');
    expect(await killed.ended()).toMatchObject({ signal: 'SIGKILL' });
    for (const pid of await waiting()) await db.query(sql`select pg_terminate_backend(${pid}, 10000)`);
    await gate.query('select pg_advisory_unlock(7)');
    gate.release();
    expect([await countSealedWith(after), await countSealedWith(before)]).toEqual([100, 150]);
    expect((await secretsFor(db, during, names)).size).toBe(250);

    const next = run();
    expect(await next.ended()).toMatchObject({ code: 0 });
    expect(next.output()).toContain('secrets: 150 re-encrypted\n');
    expect((await secretsFor(db, after, names)).get(nameNo(249))).toBe(valueNo(249));
  });

  test('runs twice at the same time', async () => {
    const names = await fill(1000);
    const both = await Promise.all([run(), run()].map(async (command) => (await command.ended()).code));
    expect(both).toEqual([0, 0]);
    expect((await secretsFor(db, after, names)).size).toBe(1000);
  });

  test.each([
    [
      'no key',
      { MEDIC_SECRETS_KEY: '', MEDIC_SECRETS_KEY_PREVIOUS: '' },
      /^medic: MEDIC_SECRETS_KEY: is needed/,
    ],
    [
      'a damaged key',
      { MEDIC_SECRETS_KEY: 'hunter2' },
      /^medic: MEDIC_SECRETS_KEY: must be the base64 of exactly 32/,
    ],
  ])('with %s says so and ends with 1', async (_, environment, message) => {
    const command = run(environment);
    expect(await command.ended()).toMatchObject({ code: 1 });
    expect(command.output()).toMatch(message);
    expect(command.output()).not.toContain('hunter2');
  });
});

test('while servers change and read secrets, a rotation loses no change', async () => {
  const names = await fill(300);
  const written = new Map(names.map((name, n) => [name, valueNo(n)]));
  let stopped = false;
  const writers = [0, 1, 2].map(async (writer) => {
    for (let n = 0; !stopped; n += 1) {
      const name = names[((n * 7 + writer * 100) % 100) + writer * 100] ?? '';
      const value = `changed ${writer} ${n}`;
      // A server that was not restarted yet still seals with the old key.
      await changeSecret({ db, clock, vault: writer === 0 ? before : during }, name, { value }, 'test');
      written.set(name, value);
    }
  });
  const reader = (async () => {
    while (!stopped) expect((await secretsFor(db, during, names)).size).toBe(300);
  })();
  for (let n = 0; n < 5; n += 1) {
    expect((await rotate(db, during, sealedSecrets)).unreadable.size).toBe(0);
  }
  stopped = true;
  await Promise.all([...writers, reader]);
  expect(await rotate(db, during, sealedSecrets)).toMatchObject({ left: 0 });
  expect(await secretsFor(db, after, names)).toEqual(written);
});

test('a rotation waits for no lock: what is held by others is left for the next run', async () => {
  await fill(3);
  await db.transaction(async (tx) => {
    await tx.query(sql`select from medic.secrets where name = ${nameNo(1)} for update`);
    expect(await rotate(db, during, sealedSecrets)).toMatchObject({ resealed: 2, left: 1 });
  });
  expect(await rotate(db, during, sealedSecrets)).toMatchObject({ resealed: 1, left: 0 });
});

test('a start warns of secrets that no configured key opens, and only of those', async () => {
  await fill(3);
  const warnings = async (keys: Record<string, string>) => {
    const medic = runMedic({ args: ['api'], env: { DATABASE_URL: database.url, ...keys } });
    await medic.url();
    return medic.lines().filter(({ logger }) => logger === 'medic.secrets');
  };
  const [current, previous] = [NEW.toString('base64'), OLD.toString('base64')];
  const warning = expect.objectContaining({ level: 'WARNING', secrets: 3 });
  expect(await warnings({})).toEqual([warning]);
  expect(await warnings({ MEDIC_SECRETS_KEY: current })).toEqual([warning]);
  expect(await warnings({ MEDIC_SECRETS_KEY: current, MEDIC_SECRETS_KEY_PREVIOUS: previous })).toEqual([]);
});
