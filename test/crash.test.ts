import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createApi } from '../src/api.ts';
import type { Parts } from '../src/app.ts';
import type { DatabasePool } from '../src/platform/db.ts';
import { sql } from '../src/platform/db.ts';
import { runRound, tasksOf } from '../src/worker.ts';
import { AUTHORIZATION } from './harness/admin.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { type Death, type MortalDatabase, mortal } from './harness/mortal-database.ts';
import { restart, runJobsOf, takeOver } from './harness/mortal-process.ts';

vi.setConfig({ testTimeout: 120_000 });

let medic: TestMedic;
let doomed: { parts: Parts; db: DatabasePool; life: MortalDatabase; url: string; close(): Promise<void> };

beforeEach(async () => {
  // The job library writes there when a connection is cut.
  vi.spyOn(console, 'trace').mockImplementation(() => {});
  vi.spyOn(console, 'error').mockImplementation(() => {});
  medic = await startTestMedic();
  const db = medic.connect();
  const life = mortal(db);
  const parts = medic.another(db);
  const server = await createApi(parts, { migrated: true, stopping: false, workerAlive: () => true });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const close = async () => {
    await server.close();
    await db.end();
  };
  doomed = { parts, db, life, url, close };
});
afterEach(async () => {
  vi.restoreAllMocks();
  await doomed.close();
  await medic.close();
});

const INTERVAL_SECONDS = 3600;

async function register(name: string): Promise<number> {
  const fields = { heartbeat_name: name, service_name: name, alert_interval_seconds: INTERVAL_SECONDS };
  const { status, body } = await medic.call('POST', '/v2/services', fields);
  expect(status, JSON.stringify(body)).toBe(201);
  return body.results.service_id;
}

/** @returns the run id when the heartbeat was acknowledged. */
async function beat(url: string, name: string, run: string): Promise<string[]> {
  const response = await fetch(`${url}/heartbeat`, {
    method: 'POST',
    headers: { authorization: AUTHORIZATION },
    body: JSON.stringify({ heartbeat_name: name, status: 'UP', run_id: run }),
    signal: AbortSignal.timeout(25_000),
  });
  expect([201, 503]).toContain(response.status);
  return response.status === 201 ? [run] : [];
}

const eventsOf = (name: string) =>
  medic.pagerDuty.events.filter(({ dedup_key }) => dedup_key === `medic-${name}`).map((e) => e.event_action);
const messagesOf = (name: string) =>
  medic.slack.messages
    .filter(({ text }) => text.includes(`\`${name}\``))
    .map(({ text }) => (text.startsWith(':green_heart:') ? 'recovered' : 'opened'));

/** Where the life in progress is, for the message when it hangs. */
let stage = '';

/** One life, which takes a fraction of a second, or an error that says where it hangs. */
async function liveOnce(name: string, death: Death): Promise<boolean> {
  const done = new AbortController();
  const hangs = sleep(45_000, undefined, { signal: done.signal }).then(
    () => Promise.reject(new Error(`${name} hangs at: ${stage}`)),
    () => false,
  );
  try {
    return await Promise.race([live(name, death), hangs]);
  } finally {
    done.abort();
  }
}

/**
 * From a healthy service to its recovery: the doomed process does it all, until it dies; then another goes on.
 * @returns whether it died.
 */
async function live(name: string, death: Death): Promise<boolean> {
  stage = 'registration';
  const serviceId = await register(name);
  const { parts, life, url } = doomed;
  const acknowledged: string[] = [];
  life.die(death);
  stage = 'heartbeat';

  acknowledged.push(...(await beat(url, name, 'first')));
  if (life.dead) acknowledged.push(...(await beat(medic.url, name, 'again')));
  medic.clock.advance(INTERVAL_SECONDS * 1000 + 101);
  await medic.receiving();
  stage = 'round';
  if (!life.dead) await runRound(parts).catch(() => {});
  stage = 'jobs';
  if (!life.dead) await runJobsOf(medic, parts, life);
  stage = 'taken over';
  if (life.dead) await takeOver(medic);
  const { body } = await medic.call('GET', `/v2/alerts?service_id=${serviceId}`);
  expect(body.results.entries).toMatchObject([{ active: true, alert_cycle: 1 }]);
  expect(eventsOf(name)).toEqual(eventsOf(name).map(() => 'trigger'));
  const before = [eventsOf(name).length, messagesOf(name).length];

  stage = 'recovery';
  const wasDead = life.dead;
  if (!life.dead) acknowledged.push(...(await beat(url, name, 'back')));
  if (life.dead) acknowledged.push(...(await beat(medic.url, name, 'back again')));
  if (!life.dead) await runJobsOf(medic, parts, life);
  if (wasDead) await medic.settle();
  else if (life.dead) await takeOver(medic);

  const pages = eventsOf(name);
  const messages = messagesOf(name);
  const died = life.dead;
  life.die(undefined);
  const stored = await medic.db.query<{ run_id: string }>(sql`
    select run_id from medic.heartbeats where service_id = ${serviceId}`);
  const alerts = await medic.db.query(sql`
    select state, cycle, close_reason from medic.alerts where service_id = ${serviceId}`);
  const notifications = await medic.db.query<{ status: string; attempts: number }>(sql`
    select notification.status, notification.attempts from medic.notifications notification
    join medic.alerts using (alert_id) where service_id = ${serviceId}`);
  const jobs = await medic.db.query(sql`select * from graphile_worker._private_jobs`);

  expect(stored.rows.map((row) => row.run_id)).toEqual(expect.arrayContaining(acknowledged));
  expect(alerts.rows).toEqual([{ state: 'closed', cycle: 1, close_reason: 'recovered' }]);
  // Every message at least once, at most one of all of them twice, openings first.
  expect(before[0]).toBeGreaterThanOrEqual(1);
  expect(before[1]).toBeGreaterThanOrEqual(1);
  expect([...new Set(pages)]).toEqual(['trigger', 'resolve']);
  expect([...new Set(messages)]).toEqual(['opened', 'recovered']);
  expect([...pages].sort().reverse()).toEqual(pages);
  expect([...messages].sort()).toEqual(messages);
  expect(pages.length + messages.length).toBeLessThanOrEqual(5);
  expect(notifications.rows).toEqual(Array(4).fill({ status: 'success', attempts: 1 }));
  expect(jobs.rows).toEqual([]);
  expect((await medic.call('DELETE', `/v2/services/${serviceId}`)).status).toBe(200);
  return died;
}

for (const when of ['before', 'after'] as const) {
  test(`a process that dies ${when} any statement of the flow loses nothing and repeats at most one message`, async () => {
    // Connections are opened and statements prepared, so that every round counts the same statements.
    await liveOnce('warm-up', { statement: Number.MAX_SAFE_INTEGER, when });
    let statement = 1;
    while (await liveOnce(`${when}-${statement}`, { statement, when })) {
      statement += 1;
      if (statement > 300) throw new Error('the flow does not end');
    }
    expect(statement).toBeGreaterThan(40);
  });
}

test('an attempt whose worker dies before it is recorded is repeated by another, after the lease, under the same number', async () => {
  const serviceId = await register('paged');
  const answer = medic.pagerDuty.answer;
  medic.pagerDuty.answer = (request) => {
    doomed.life.die({ statement: 1, when: 'before' });
    return answer(request);
  };
  medic.clock.advance(INTERVAL_SECONDS * 1000 + 101);
  await medic.receiving();
  await runRound(doomed.parts);
  await runJobsOf(medic, doomed.parts, doomed.life);
  medic.pagerDuty.answer = answer;
  expect(doomed.life.dead).toBe(true);
  expect(eventsOf('paged')).toEqual(['trigger']);

  await restart(medic);
  await medic.advance('34s');
  expect(eventsOf('paged')).toEqual(['trigger']);
  await medic.advance('2s');
  expect(eventsOf('paged')).toEqual(['trigger', 'trigger']);
  const { rows } = await medic.db.query(sql`
    select attempt.attempt, attempt.outcome, notification.status from medic.delivery_attempts attempt
    join medic.notifications notification using (delivery_id) join medic.alerts using (alert_id)
    where service_id = ${serviceId} and channel = 'pagerduty'`);
  expect(rows).toEqual([{ attempt: 1, outcome: 'sent', status: 'success' }]);
});

test('a worker that takes up an attempt which another still makes sends nothing', async () => {
  await register('paged');
  medic.clock.advance(INTERVAL_SECONDS * 1000 + 101);
  await medic.detect();
  const { rows } = await medic.db.query<{ delivery_id: string }>(sql`
    select delivery_id from medic.notifications where channel = 'pagerduty'`);
  const send = tasksOf(medic.parts).deliver as (payload: object) => Promise<void>;
  const sendToo = tasksOf(medic.another()).deliver as typeof send;
  await Promise.all([send, sendToo, send, sendToo].map((deliver) => deliver({ ...rows[0] })));
  expect(eventsOf('paged')).toEqual(['trigger']);
});
