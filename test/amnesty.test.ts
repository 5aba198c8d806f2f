import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { recordLiveness } from '../src/features/heartbeats/liveness.ts';
import { sql } from '../src/platform/db.ts';
import { runRound, Worker } from '../src/worker.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;

beforeEach(async () => {
  medic = await startTestMedic();
});
afterEach(() => medic.close());

async function register(name: string, fields: Record<string, unknown>): Promise<void> {
  const { status, body } = await medic.call('POST', '/v2/services', {
    heartbeat_name: name,
    service_name: name,
    ...fields,
  });
  expect(status, JSON.stringify(body)).toBe(201);
}

const beat = (name: string) => medic.call('POST', '/heartbeat', { heartbeat_name: name, status: 'UP' });
const overdueAt = async (id = 1) => (await medic.call('GET', `/v2/services/${id}`)).body.results.overdue_at;
const alerts = async () => (await medic.call('GET', '/v2/alerts')).body.results.entries;

/** All processes are away for a time; then one comes back and says so. */
async function outage(seconds: number): Promise<void> {
  await medic.receiving();
  medic.clock.advance(seconds * 1000);
  await recordLiveness(medic.parts.context, 'back');
}

const outages = async () => (await medic.db.query(sql`select * from medic.outages`)).rows;

test('the example of the specification: no alert for what could not be heard', async () => {
  await register('api', { alert_interval_seconds: 60 });
  await register('dead', { alert_interval_seconds: 10 });
  await medic.advance('30s');
  await beat('api');
  // Silent since 12:00:00, overdue since 12:00:10: it is alerted before and stays so.
  expect(await alerts()).toMatchObject([{ heartbeat_name: 'dead' }]);
  await medic.advance('30s');
  await outage(180);
  // 12:00:30 + 60 s + 180 s is 12:04:30; the end of the gap, 12:04:00, + 60 s is later.
  expect(await overdueAt()).toBe('2040-03-01T12:05:00.000Z');
  await medic.advance('59s');
  expect(await alerts()).toHaveLength(1);
  await medic.advance('2s');
  expect(await alerts()).toMatchObject([{ heartbeat_name: 'api', active: true }, { heartbeat_name: 'dead' }]);
  const text = medic.slack.messages.map((message) => message.text).find((one) => one.includes('`api`'));
  expect(text).toContain('Medic itself was unavailable for 180 s in this period');
  expect(medic.lines).toContainEqual(
    expect.objectContaining({
      level: 'WARNING',
      started_at: '2040-03-01T12:01:00.000Z',
      ended_at: '2040-03-01T12:04:00.000Z',
      seconds: 180,
    }),
  );
});

test('a service that was overdue already when Medic went away is alerted at once', async () => {
  await register('api', { alert_interval_seconds: 60 });
  await medic.receiving();
  medic.clock.advance(61_000);
  await medic.receiving();
  medic.clock.advance(180_000);
  await recordLiveness(medic.parts.context, 'back');
  await runRound(medic.parts);
  expect(await alerts()).toMatchObject([{ reason: 'missed_heartbeat' }]);
});

test('ten seconds of silence are no outage', async () => {
  await register('api', { alert_interval_seconds: 60 });
  await medic.advance('10s');
  await outage(10);
  expect(await outages()).toEqual([]);
  await outage(11);
  expect(await outages()).toHaveLength(1);
});

test('an outage is recorded once, however many processes come back together', async () => {
  await medic.receiving();
  medic.clock.advance(60_000);
  const processes = Array.from({ length: 8 }, (_, index) => `process-${index}`);
  await Promise.all(processes.map((id) => recordLiveness(medic.another().context, id)));
  expect(await outages()).toHaveLength(1);
});

test('while one of two processes goes on receiving there is no outage', async () => {
  await register('api', { alert_interval_seconds: 60 });
  await recordLiveness(medic.parts.context, 'frozen');
  for (let second = 0; second < 60; second += 2) {
    medic.clock.advance(2_000);
    await recordLiveness(medic.parts.context, 'awake');
  }
  await recordLiveness(medic.parts.context, 'frozen');
  expect(await outages()).toEqual([]);
  await medic.advance('1s');
  expect(await alerts()).toHaveLength(1);
});

test('a worker judges nothing while nobody receives, and decides when somebody does', async () => {
  await register('api', { alert_interval_seconds: 60, max_duration_ms: 1_000 });
  await medic.call('POST', '/v2/heartbeat/1/start', { run_id: 'r' });
  await medic.receiving();
  medic.clock.advance(5_000);
  const deaf = await runRound(medic.parts);
  expect([deaf.checked, deaf.silentMs]).toEqual([0, 5_000]);
  expect(await alerts()).toEqual([]);
  await medic.settle();
  expect(await alerts()).toMatchObject([{ kind: 'stale_job' }]);
});

test('limits of running jobs are extended by the outage', async () => {
  await register('api', { alert_interval_seconds: 604_800, max_duration_ms: 100_000 });
  await medic.call('POST', '/v2/heartbeat/1/start', { run_id: 'r' });
  await medic.advance('40s');
  await outage(120);
  await medic.advance('59s');
  expect(await alerts()).toEqual([]);
  await medic.advance('2s');
  expect(await alerts()).toMatchObject([{ kind: 'stale_job', created_date: '2040-03-01T12:03:40.101Z' }]);
});

test('an edit of the service leaves running jobs their extended limit', async () => {
  await register('api', { alert_interval_seconds: 604_800, max_duration_ms: 100_000 });
  await medic.call('POST', '/v2/heartbeat/1/start', { run_id: 'r' });
  await medic.advance('40s');
  await outage(120);
  await medic.call('PATCH', '/v2/services/1', { team: 'night' });
  await medic.advance('59s');
  expect(await alerts()).toEqual([]);
  await medic.advance('2s');
  expect(await alerts()).toMatchObject([{ kind: 'stale_job', created_date: '2040-03-01T12:03:40.101Z' }]);
});

test('periods that raise the cycle do not count the outage', async () => {
  await register('api', { alert_interval_seconds: 60 });
  await medic.advance('61s');
  await medic.advance('30s');
  await outage(600);
  await medic.settle();
  expect(await alerts()).toMatchObject([{ alert_cycle: 1 }]);
  await medic.advance('28s');
  expect(await alerts()).toMatchObject([{ alert_cycle: 1 }]);
  await medic.advance('3s');
  expect(await alerts()).toMatchObject([{ alert_cycle: 2 }]);
});

test('an occurrence that lies with its grace in the outage counts neither as met nor as missed', async () => {
  await register('hourly', { expected_cron: '@hourly', grace_period_seconds: 60 });
  await medic.advance('59m');
  await outage(180);
  expect(await overdueAt()).toBe('2040-03-01T14:01:00.000Z');
  await medic.advance('10m');
  expect(await alerts()).toEqual([]);
});

test('an occurrence that Medic came back for in time is extended by the outage', async () => {
  await register('hourly', { expected_cron: '@hourly', grace_period_seconds: 600 });
  await medic.advance('59m');
  await outage(180);
  expect(await overdueAt()).toBe('2040-03-01T13:13:00.000Z');
});

test('with several signs to a period, the newest ones before the outage still give a whole period after it', async () => {
  await register('api', { alert_interval_seconds: 300, threshold: 3 });
  for (let sign = 0; sign < 4; sign += 1) {
    await beat('api');
    await medic.advance('60s');
  }
  await outage(120);
  // The third newest sign is 12:01:00: 12:06:00 + 120 s is before 12:06:00 + 300 s.
  expect(await overdueAt()).toBe('2040-03-01T12:11:00.000Z');
});

test('an edit of the service leaves its running jobs their amnesty', async () => {
  await register('api', { alert_interval_seconds: 604_800, max_duration_ms: 100_000 });
  await medic.call('POST', '/v2/heartbeat/1/start', { run_id: 'r' });
  await medic.advance('40s');
  await outage(120);
  await medic.call('PATCH', '/v2/services/1', { runbook: 'https://example.com/r' });
  await medic.advance('30s');
  await medic.call('PATCH', '/v2/services/1', { max_duration_ms: 90_000 });
  await medic.advance('19s');
  expect(await alerts()).toEqual([]);
  await medic.advance('2s');
  expect(await alerts()).toMatchObject([{ kind: 'stale_job', created_date: '2040-03-01T12:03:30.101Z' }]);
});

test('what reports as Medic comes back, before that is recorded, is not given the whole outage', async () => {
  await register('api', { alert_interval_seconds: 60 });
  await register('run', { alert_interval_seconds: 604_800, max_duration_ms: 60_000 });
  await medic.receiving();
  medic.clock.advance(3_599_000);
  expect((await beat('api')).status).toBe(201);
  await medic.call('POST', '/v2/heartbeat/2/start', { run_id: 'r' });
  medic.clock.advance(1_000);
  await recordLiveness(medic.parts.context, 'back');
  expect(await overdueAt()).toBe('2040-03-01T13:01:00.000Z');
  await medic.advance('59s');
  expect(await alerts()).toEqual([]);
  await medic.advance('2s');
  expect(await alerts()).toMatchObject([{ kind: 'stale_job' }, { kind: 'service', heartbeat_name: 'api' }]);
});

test('an occurrence that is waited for longer does not hide the next one', async () => {
  await register('minutely', { expected_cron: '* * * * *', grace_period_seconds: 60 });
  await medic.advance('30s');
  await outage(300);
  // 12:05 lies in the outage, but not 12:06: its deadline is five minutes later.
  expect(await overdueAt()).toBe('2040-03-01T12:11:00.000Z');
  await medic.advance('60s');
  await beat('minutely');
  expect(await overdueAt()).toBe('2040-03-01T12:08:00.000Z');
  await medic.advance('89s');
  expect(await alerts()).toEqual([]);
  await medic.advance('2s');
  expect(await alerts()).toMatchObject([{ created_date: '2040-03-01T12:08:00.101Z' }]);
});

test('the alert about a run tells how long Medic was away meanwhile', async () => {
  await register('api', { alert_interval_seconds: 604_800, max_duration_ms: 60_000 });
  await medic.call('POST', '/v2/heartbeat/1/start', { run_id: 'r' });
  await medic.advance('30s');
  await outage(120);
  await medic.advance('31s');
  expect(medic.slack.messages.map(({ text }) => text)).toEqual([
    expect.stringContaining('Medic itself was unavailable for 120 s in this period'),
  ]);
});

test('a service that reported after the outage, but not often enough, is told about it as well', async () => {
  await register('api', { alert_interval_seconds: 60, threshold: 2 });
  await medic.advance('30s');
  await beat('api');
  await outage(120);
  await beat('api');
  await medic.advance('121s');
  expect(medic.slack.messages.map(({ text }) => text)).toEqual([
    expect.stringContaining('Medic itself was unavailable for 120 s in this period'),
  ]);
});

describe('a worker that nobody receives for', () => {
  let worker: Worker;
  beforeEach(() => {
    worker = new Worker(medic.parts);
  });
  afterEach(() => worker.stop(1_000));

  const told = () => medic.lines.filter(({ level }) => level === 'ERROR').map(({ silent_ms }) => silent_ms);
  /** The clock moves, and the worker, which sleeps for a second of real time at most, has looked since. */
  async function pass(seconds: number): Promise<void> {
    medic.clock.advance(seconds * 1000);
    await sleep(1_500);
  }

  test.each([
    ['any more', true],
    ['yet', false],
  ])('says so once a minute after one without anybody %s', async (_when, receiving) => {
    if (receiving) await medic.receiving();
    worker.start();
    await pass(0);
    await pass(59);
    expect(told()).toEqual([]);
    await pass(1);
    expect(told()).toEqual([receiving ? 60_000 : null]);
    await pass(59);
    expect(told()).toHaveLength(1);
    await pass(1);
    expect(told()).toHaveLength(2);
    await recordLiveness(medic.parts.context, 'back');
    await pass(3);
    expect(told()).toHaveLength(2);
  });
});
