import { afterEach, beforeEach, expect, test } from 'vitest';
import { oncePerDay } from '../src/platform/daily.ts';
import { sql } from '../src/platform/db.ts';
import { runDaily, runSweep } from '../src/worker.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;

beforeEach(async () => {
  medic = await startTestMedic();
});
afterEach(() => medic.close());

async function register(name: string): Promise<number> {
  const { body } = await medic.call('POST', '/v2/services', {
    heartbeat_name: name,
    service_name: name,
    alert_interval_seconds: 60,
  });
  return body.results.service_id;
}

const beat = (name: string) => medic.call('POST', '/heartbeat', { heartbeat_name: name, status: 'UP' });

async function partitions(): Promise<string[]> {
  const { rows } = await medic.db.query<{ name: string }>(sql`
    select relname as name from pg_inherits join pg_class child on child.oid = inhrelid
    where inhparent = 'medic.heartbeats'::regclass order by relname`);
  return rows.map((row) => row.name).filter((name) => name !== 'heartbeats_default');
}

async function events(table = 'heartbeats'): Promise<number> {
  const { rows } = await medic.db.query<{ count: number }>({ text: `select count(*) from medic.${table}` });
  return rows[0]?.count ?? 0;
}

test('events of a day lie in its partition, and the partitions of the next seven days exist', async () => {
  await register('api');
  await beat('api');
  expect(await events('heartbeats_20400301')).toBe(1);
  const names = await partitions();
  expect(names.at(-1)).toBe('heartbeats_20400308');
  expect(names).toHaveLength(9);
});

test('events past retention go with their whole partition, without changing any deadline or state', async () => {
  const id = await register('api');
  await beat('api');
  await medic.call('PATCH', `/v2/services/${id}`, { alert_interval_seconds: 604_800 });
  await beat('api');
  for (let day = 0; day < 32; day += 1) {
    medic.clock.advance(86_400_000);
    if (day === 30) await beat('api');
    await runDaily(medic.parts);
    expect((await partitions()).length).toBeGreaterThan(7);
  }
  expect(await partitions()).not.toContain('heartbeats_20400301');
  expect(await events()).toBe(1);
  expect((await medic.call('GET', `/v2/services/${id}`)).body.results).toMatchObject({
    last_status: 'UP',
    last_heartbeat: '2040-04-01T12:00:00.000Z',
  });
});

test('an event that found no partition is kept, and moves when its partition is made', async () => {
  await register('api');
  medic.clock.advance(40 * 86_400_000);
  expect((await beat('api')).status).toBe(201);
  expect(await events('heartbeats_default')).toBe(1);
  await runDaily(medic.parts);
  expect(await events('heartbeats_default')).toBe(0);
  expect(await events('heartbeats_20400410')).toBe(1);
});

test('a service is deleted without waiting for its events, which are gone afterwards', async () => {
  const id = await register('api');
  await register('other');
  for (const day of [0, 1, 40]) {
    medic.clock.advance(day * 86_400_000);
    await beat('api');
    await beat('other');
  }
  expect(await events()).toBe(6);
  const reader = medic.connect(1);
  const client = await reader.pool.connect();
  await client.query('begin');
  await client.query('select from medic.heartbeats for update');
  expect((await medic.call('DELETE', `/v2/services/${id}`)).status).toBe(200);
  expect((await medic.call('GET', '/heartbeat?heartbeat_name=api')).body.results).toEqual([]);
  await client.query('commit');
  client.release();
  await reader.end();
  await medic.settle();
  expect(await events()).toBe(3);
});

test('heartbeats do not wait for a backup that the daily task waits for', async () => {
  await register('api');
  await beat('api');
  medic.clock.advance(32 * 86_400_000);
  const backup = medic.connect(1);
  const client = await backup.pool.connect();
  await client.query('begin');
  await client.query('lock table medic.heartbeats in access share mode');
  const daily = runDaily(medic.parts);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const answers = await Promise.race([beat('api'), new Promise((resolve) => setTimeout(resolve, 10_000))]);
  expect(answers).toMatchObject({ status: 201 });
  expect(await daily).toBe(true);
  expect(await partitions()).toContain('heartbeats_20400301');

  await client.query('commit');
  client.release();
  await backup.end();
  medic.clock.advance(86_400_000);
  await runDaily(medic.parts);
  expect(await partitions()).not.toContain('heartbeats_20400301');
});

test('several workers together run the daily tasks once a day', async () => {
  const workers = [medic.parts, medic.another(), medic.another()];
  const first = await Promise.all(workers.map(runDaily));
  expect(first.filter(Boolean)).toHaveLength(1);
  medic.clock.advance(11 * 3_600_000);
  expect((await Promise.all(workers.map(runDaily))).filter(Boolean)).toHaveLength(0);
  medic.clock.advance(3_600_000);
  expect((await Promise.all(workers.map(runDaily))).filter(Boolean)).toHaveLength(1);
});

test('a daily task that takes long holds no transaction, and is repeated when it fails', async () => {
  const now = medic.clock.now();
  const open: unknown[] = [];
  const work = async () => {
    const { rows } = await medic.db.query(sql`
      select query from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`);
    open.push(...rows);
    expect(await oncePerDay(medic.db, 'task', now, async () => {})).toBe(false);
  };
  await expect(oncePerDay(medic.db, 'task', now, () => Promise.reject(new Error('once')))).rejects.toThrow(
    'once',
  );
  expect(await oncePerDay(medic.db, 'task', now, work)).toBe(true);
  expect(await oncePerDay(medic.db, 'task', now, work)).toBe(false);
  expect(open).toEqual([]);
});

test('closed alerts and delivery records end with their retention, active ones never', async () => {
  await register('old');
  await register('silent');
  await medic.advance('61s');
  await beat('old');
  await medic.settle();
  const count = async (table: string) =>
    (await medic.db.query<{ n: number }>({ text: `select count(*) as n from medic.${table}` })).rows[0]?.n;
  expect(await count('alerts')).toBe(2);
  medic.clock.advance(31 * 86_400_000);
  await runDaily(medic.parts);
  expect(await count('alerts')).toBe(2);
  expect(await count('notifications')).toBe(2);
  medic.clock.advance(60 * 86_400_000);
  await runDaily(medic.parts);
  expect((await medic.call('GET', '/v2/alerts')).body.results.entries).toMatchObject([
    { heartbeat_name: 'silent', active: true },
  ]);
});

test('the sweep finds nothing to do in normal operation', async () => {
  await register('api');
  const other = await register('other');
  await medic.call('PATCH', `/v2/services/${other}`, { active: false });
  await medic.advance('61s');
  expect(await runSweep(medic.parts)).toBe(0);
  await beat('api');
  await medic.settle();
  expect(await runSweep(medic.parts)).toBe(0);
});

test('the sweep repairs a service that nobody judges', async () => {
  await register('api');
  await medic.db.query(sql`update medic.service_state set check_at = null`);
  await medic.advance('61s');
  expect(medic.pagerDuty.events).toHaveLength(0);
  expect(await runSweep(medic.parts)).toBe(1);
  await medic.advance('1s');
  expect(medic.pagerDuty.events).toHaveLength(1);
});

test('the sweep corrects a service that is down without an active alert, and one that misses its alert', async () => {
  const id = await register('api');
  await medic.advance('61s');
  await medic.db.query(
    sql`update medic.alerts set state = 'closed', closed_at = created_at, close_reason = 'recovered'`,
  );
  expect((await medic.call('GET', `/v2/services/${id}`)).body.results.down).toBe(true);
  expect(await runSweep(medic.parts)).toBe(1);
  expect((await medic.call('GET', `/v2/services/${id}`)).body.results.down).toBe(false);

  await medic.advance('1s');
  await medic.db.query(sql`update medic.service_state set alert_id = null`);
  expect(await runSweep(medic.parts)).toBe(1);
  await beat('api');
  expect((await medic.call('GET', '/v2/alerts?active=true')).body.results.total_count).toBe(0);
});

test('the sweep gives a new job to a due notification that has lost its own', async () => {
  await register('api');
  medic.clock.advance(61_000);
  await medic.detect();
  await medic.db.query(sql`delete from graphile_worker._private_jobs`);
  await medic.settle();
  expect(medic.pagerDuty.events).toHaveLength(0);
  expect(await runSweep(medic.parts)).toBe(0);
  medic.clock.advance(61_000);
  expect(await runSweep(medic.parts)).toBe(2);
  await medic.settle();
  expect(medic.pagerDuty.events).toHaveLength(1);
});
