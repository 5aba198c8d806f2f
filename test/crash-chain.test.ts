import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Parts } from '../src/app.ts';
import { type DatabasePool, sql } from '../src/platform/db.ts';
import { runRound } from '../src/worker.ts';
import { registered } from './harness/expectations.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { type Death, type MortalDatabase, mortal } from './harness/mortal-database.ts';
import { runJobsOf, takeOver } from './harness/mortal-process.ts';

vi.setConfig({ testTimeout: 120_000 });

const INTERVAL_SECONDS = 3600;

let medic: TestMedic;
let db: DatabasePool;
let life: MortalDatabase;
let doomed: Parts;

beforeEach(async () => {
  // The job library writes there when a connection is cut.
  vi.spyOn(console, 'trace').mockImplementation(() => {});
  vi.spyOn(console, 'error').mockImplementation(() => {});
  medic = await startTestMedic();
  db = medic.connect();
  life = mortal(db);
  doomed = medic.another(db);
  // Of each service the first target refuses the opening, the second takes it, the third is not needed.
  medic.slack.answer = ({ body }) => {
    const form = new URLSearchParams(body);
    const opens = form.get('text')?.startsWith(':broken_heart:') === true;
    const refuses = opens && form.get('channel')?.endsWith('-1') === true;
    return refuses
      ? { status: 500, body: '{}' }
      : { status: 200, body: '{"ok":true,"ts":"1.1","channel":"C"}' };
  };
});
afterEach(async () => {
  vi.restoreAllMocks();
  await db.end();
  await medic.close();
});

/** From an alert to the one target that takes it: the doomed process does it all, until it dies. @returns whether it did. */
async function live(name: string, death: Death): Promise<boolean> {
  const { service_id } = await registered(medic, {
    heartbeat_name: name,
    alert_interval_seconds: INTERVAL_SECONDS,
    notification_mode: 'notify_until_success',
  });
  for (const n of [1, 2, 3]) {
    const body = { type: 'slack', config: { channel_id: `${name}-${n}` } };
    expect((await medic.call('POST', `/v2/services/${service_id}/targets`, body)).status).toBe(201);
  }
  medic.clock.advance(INTERVAL_SECONDS * 1000 + 101);
  await medic.receiving();
  life.die(death);
  await runRound(doomed).catch(() => {});
  for (let round = 0; round < 4 && !life.dead; round += 1) await runJobsOf(medic, doomed, life);
  const died = life.dead;
  life.die(undefined);
  if (died) await takeOver(medic);

  const tried = medic.slack.messages
    .map(({ channel }) => channel)
    .filter((one) => one.startsWith(`${name}-`));
  // Each was asked at least once and in order, at most one of them twice, and whoever is not needed never.
  expect([...new Set(tried)]).toEqual([`${name}-1`, `${name}-2`]);
  expect(tried.toSorted()).toEqual(tried);
  expect(tried.length).toBeLessThanOrEqual(3);
  const { rows } = await medic.db.query(sql`
    select notification.status, notification.attempts from medic.notifications notification
    join medic.alerts using (alert_id) where service_id = ${service_id} order by position`);
  expect(rows).toEqual([
    { status: 'failed', attempts: 1 },
    { status: 'success', attempts: 1 },
    { status: 'cancelled', attempts: 0 },
  ]);
  const jobs = await medic.db.query(sql`select from graphile_worker._private_jobs`);
  expect(jobs.rowCount).toBe(0);
  expect((await medic.call('DELETE', `/v2/services/${service_id}`)).status).toBe(200);
  await medic.settle();
  return died;
}

for (const when of ['before', 'after'] as const) {
  test(`a process that dies ${when} any statement on the way from target to target loses no turn and repeats at most one message`, async () => {
    // Connections are opened and statements prepared, so that every round counts the same statements.
    await live('warm-up', { statement: Number.MAX_SAFE_INTEGER, when });
    let statement = 1;
    while (await live(`${when}-${statement}`, { statement, when })) {
      statement += 1;
      if (statement > 300) throw new Error('the flow does not end');
    }
    expect(statement).toBeGreaterThan(30);
  });
}
