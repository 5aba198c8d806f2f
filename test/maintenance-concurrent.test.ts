import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Parts } from '../src/app.ts';
import { type DatabasePool, sql } from '../src/platform/db.ts';
import { runRound } from '../src/worker.ts';
import { resultsOf } from './harness/expectations.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;
let pools: DatabasePool[];
let workers: Parts[];

beforeEach(async () => {
  medic = await startTestMedic();
  pools = [medic.connect(4), medic.connect(4)];
  workers = pools.map((pool) => medic.another(pool));
});
afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await medic.close();
});

const SERVICES = 500;
const path = '/v2/maintenance-windows';

/** Services that are overdue ten minutes after noon. */
async function registerAll(count = SERVICES): Promise<number[]> {
  const ids: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const body = {
      heartbeat_name: `s${n}`,
      service_name: 's',
      alert_interval_seconds: 600,
      max_duration_ms: 60_000,
    };
    ids.push(resultsOf(await medic.call('POST', '/v2/services', body), 201).service_id);
  }
  return ids;
}

const window = async (fields: Record<string, unknown> = {}): Promise<number> => {
  const times = { start_time: '2040-03-01T12:05:00Z', end_time: '2040-03-01T13:00:00Z' };
  return resultsOf(await medic.call('POST', path, { name: 'w', ...times, ...fields }), 201).window_id;
};
/** Both workers at once. */
const rounds = () => Promise.all(workers.map((parts) => runRound(parts)));

async function at(time: string): Promise<void> {
  medic.clock.advance(Date.parse(`2040-03-01T${time}Z`) - medic.clock.now().getTime());
  await medic.receiving();
}

async function counts(): Promise<{ alerts: number; services: number; triggers: number }> {
  const { rows } = await medic.db.query<{ alerts: number; services: number; triggers: number }>(sql`
    select count(*)::int as alerts, count(distinct service_id)::int as services,
      (select count(*)::int from medic.notifications where channel = 'pagerduty' and event = 'opened') as triggers
    from medic.alerts where state <> 'closed' and cycle = 1`);
  return rows[0] as { alerts: number; services: number; triggers: number };
}

const all = (count: number) => ({ alerts: count, services: count, triggers: count });
const errors = () => medic.lines.filter(({ level }) => level === 'ERROR' || level === 'WARNING');

test('500 services in one window that ends, two workers: 500 alerts and 500 pages, each once', async () => {
  const ids = await registerAll();
  await window();
  // One in five reports a failure instead of falling silent.
  await at('12:06:00');
  for (const id of ids.filter((_id, n) => n % 5 === 0)) {
    await medic.call('POST', '/heartbeat', { heartbeat_name: `s${id - 1}`, status: 'DOWN' });
  }
  await at('12:30:00');
  await rounds();
  expect(await counts()).toEqual(all(0));
  const { rows } = await medic.db.query<{ held: number; due: number }>(sql`
    select count(*)::int as held, (count(*) filter (where check_at < ${medic.clock.now()}))::int as due
    from medic.service_state where held_by is not null`);
  expect(rows).toEqual([{ held: SERVICES, due: 0 }]);

  await at('13:00:00.102');
  const started = performance.now();
  await rounds();
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(await counts()).toEqual(all(SERVICES));
  await rounds();
  expect(await counts()).toEqual(all(SERVICES));
  const told = medic.lines.filter(({ message }) => /held back/.test(String(message)));
  expect(new Set(told.map(({ service_id }) => service_id)).size).toBe(SERVICES);
  expect(told).toHaveLength(SERVICES);
  expect(errors()).toEqual([]);
});

test('a worker that is killed at the end of a window leaves everything to the other', async () => {
  await registerAll(30);
  await window();
  await at('12:30:00');
  await rounds();
  await at('13:00:00.102');
  // The first to open alerts loses its connection before it commits.
  await medic.db.query({ text: 'create sequence medic.deaths' });
  await medic.db.query({
    text: `create function die() returns trigger language plpgsql as $$
      begin if nextval('medic.deaths') = 20 then perform pg_terminate_backend(pg_backend_pid()); end if;
      return new; end $$`,
  });
  await medic.db.query({
    text: 'create trigger die before insert on medic.alerts for each row execute function die()',
  });
  const outcomes = await Promise.allSettled(workers.map((parts) => runRound(parts)));
  expect(outcomes.map(({ status }) => status)).toContain('rejected');
  await rounds();
  expect(await counts()).toEqual(all(30));
});

test('a window that changes while two workers judge holds nothing back that it does not cover any more', async () => {
  const ids = await registerAll(60);
  await at('12:10:01');
  for (let round = 0; round < 8; round += 1) {
    const windowId = await window({ name: `w${round}` });
    const change = () =>
      round % 2 === 0
        ? medic.call('DELETE', `${path}/${windowId}`)
        : medic.call('PATCH', `${path}/${windowId}`, { end_time: '2040-03-01T12:06:00Z' });
    const failures = ids
      .slice(0, 20)
      .map((id) => medic.call('POST', '/heartbeat', { heartbeat_name: `s${id - 1}`, status: 'FAILED' }));
    const signals = ids
      .slice(20, 30)
      .map((id) => medic.call('POST', `/v2/heartbeat/${id}/start`, { run_id: `r${round}` }));
    const [changed, ...answers] = await Promise.all([change(), ...failures, ...signals, rounds(), rounds()]);
    expect([
      changed?.status,
      ...answers.slice(0, 30).map((answer) => (answer as { status: number }).status),
    ]).toEqual([200, ...Array(30).fill(201)]);
    medic.clock.advance(102);
    await medic.receiving();
    await rounds();
    const { rows } = await medic.db.query(sql`
      select service_id, held_by, check_at from medic.service_state state
      where alert_id is null and (failure_uncleared or signs = '{}') and service_id <> all(${ids.slice(20, 30)})`);
    expect(rows, `round ${round}`).toEqual([]);
    expect(errors()).toEqual([]);
    // Everybody is well again, and silent for the next round.
    for (const id of ids) {
      await medic.call('POST', '/heartbeat', { heartbeat_name: `s${id - 1}`, status: 'UP' });
    }
    await medic.db.query(sql`update medic.service_state set signs = '{}', check_at = ${medic.clock.now()}`);
    medic.clock.advance(102);
    await medic.receiving();
  }
});

test('an idle round costs the same with a thousand windows, and a heartbeat reads none', async () => {
  await registerAll(20);
  await medic.db.query(sql`
    insert into medic.maintenance_windows (name, name_key, starts_at, ends_at, recurrence, timezone, all_services)
    select 'w' || n, 'w' || n, '2040-01-01', '2040-01-02', '0 2 * * 0', 'America/Chicago', true
    from generate_series(1, 1000) n`);
  const statements: string[] = [];
  const [pool] = pools;
  const query = pool?.query.bind(pool) as DatabasePool['query'];
  const watched: DatabasePool = {
    ...(pool as DatabasePool),
    query: (statement) => {
      statements.push(statement.text);
      return query(statement);
    },
    transaction: (work) =>
      (pool as DatabasePool).transaction((tx) =>
        work({
          afterCommit: tx.afterCommit,
          query: (statement) => {
            statements.push(statement.text);
            return tx.query(statement);
          },
        }),
      ),
  };
  const parts = medic.another(watched);
  await medic.receiving();
  await runRound(parts);
  await parts.ingest.receive({
    service: { nameKey: 's1' },
    status: 'UP',
    source: 'api',
    runId: null,
    message: null,
  });
  expect(statements.length).toBeGreaterThan(5);
  expect(statements.filter((text) => text.includes('maintenance_windows'))).toEqual([]);
  await at('12:10:01');
  await runRound(parts);
  expect(statements.filter((text) => text.includes('maintenance_windows'))).toHaveLength(1);
  expect((await counts()).alerts).toBe(20);
});
