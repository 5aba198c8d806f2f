import { afterEach, beforeEach, expect, test } from 'vitest';
import { nextCheck } from '../src/features/heartbeats/detect.ts';
import { sql } from '../src/platform/db.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;
let id: number;

beforeEach(async () => {
  medic = await startTestMedic();
  id = await register('job', { alert_interval_seconds: 604_800, max_duration_ms: 60_000 });
});
afterEach(() => medic.close());

async function register(name: string, fields: Record<string, unknown>): Promise<number> {
  const { status, body } = await medic.call('POST', '/v2/services', {
    heartbeat_name: name,
    service_name: 'Job',
    ...fields,
  });
  expect(status, JSON.stringify(body)).toBe(201);
  return body.results.service_id;
}

const signal = (name: 'start' | 'complete' | 'fail', body?: unknown, service = id) =>
  medic.call('POST', `/v2/heartbeat/${service}/${name}`, body);
const texts = () => medic.slack.messages.map((message) => message.text);
const alerts = async (query = '') => (await medic.call('GET', `/v2/alerts${query}`)).body.results.entries;
const runs = async (query = '') =>
  (await medic.call('GET', `/v2/services/${id}/runs${query}`)).body.results.entries;

test('a run is timed from its first start to its first end', async () => {
  const start = await signal('start', { run_id: 'r1' });
  expect(start.status).toBe(201);
  expect(start.body.results).toEqual({
    service_id: id,
    heartbeat_name: 'job',
    status: 'STARTED',
    run_id: 'r1',
  });
  medic.clock.advance(10_000);
  await signal('start', { run_id: 'r1' });
  medic.clock.advance(2_500);
  const end = await signal('complete', { run_id: 'r1' });
  expect(end.body.results).toEqual({
    service_id: id,
    heartbeat_name: 'job',
    status: 'COMPLETED',
    run_id: 'r1',
    duration_ms: 12_500,
  });
  expect((await signal('fail', { run_id: 'r1' })).body.results).not.toHaveProperty('duration_ms');
  expect(await runs()).toMatchObject([
    { run_id: 'r1', status: 'COMPLETED', duration_ms: 12_500, stale: false },
  ]);
  const events = await medic.call('GET', `/v2/services/${id}/heartbeats`);
  expect(events.body.results.entries.map((event: { status: string }) => event.status)).toEqual([
    'FAILED',
    'COMPLETED',
    'STARTED',
    'STARTED',
  ]);
  expect(events.body.results.entries[0]).toMatchObject({ source: 'signal', run_id: 'r1' });
});

test('an end without a start is a run without duration', async () => {
  expect((await signal('complete', { run_id: 'r1' })).body.results.duration_ms).toBe(0);
  expect(await runs()).toMatchObject([{ status: 'COMPLETED', duration_ms: null }]);
});

test.each([
  ['no body', undefined, null],
  ['an empty body', '', null],
  ['what is not JSON', 'run=5', null],
  ['an integer', '{"run_id":42}', '42'],
  ['a text', '{"run_id":"x","other":[1]}', 'x'],
])('a signal with %s is recorded', async (_case, body, runId) => {
  const answer = await signal('start', body);
  expect(answer.status).toBe(201);
  expect(answer.body.results.run_id).toBe(runId);
});

test.each([
  ['[]', 'object'],
  ['"r"', 'object'],
  ['null', 'object'],
  ['{"run_id":""}', 'run_id'],
  ['{"run_id":null}', 'run_id'],
  ['{"run_id":true}', 'run_id'],
  ['{"run_id":1.5}', 'run_id'],
  [`{"run_id":"${'r'.repeat(256)}"}`, 'run_id'],
  ['{"message":5}', 'message'],
])('a signal with the body %s is refused and nothing is stored', async (body, named) => {
  const answer = await signal('start', body);
  expect(answer.status).toBe(400);
  expect(answer.body.message).toContain(named);
  expect((await medic.call('GET', '/heartbeat')).body.results).toEqual([]);
});

test('signals for services that are unknown or inactive are told so', async () => {
  for (const service of ['99', '-1', 'x', '1.5', '99999999999']) {
    const answer = await medic.call('POST', `/v2/heartbeat/${service}/start`);
    expect(answer.status).toBe(404);
    expect(answer.body.message).toContain('not found');
  }
  await medic.call('PATCH', `/v2/services/${id}`, { active: false });
  const inactive = await signal('start');
  expect([inactive.status, inactive.body.message]).toEqual([400, expect.stringContaining('inactive')]);
});

test('POST /heartbeat with a job status and a run id keeps the same books', async () => {
  const beat = (status: string) =>
    medic.call('POST', '/heartbeat', { heartbeat_name: 'JOB', status, run_id: 'r9' });
  await beat('started');
  medic.clock.advance(3_000);
  await beat('completed');
  expect(await runs('?run_id=r9')).toMatchObject([{ status: 'COMPLETED', duration_ms: 3_000 }]);
});

test('starts and ends that arrive together in any mixture finish each run once', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `r${index}`);
  await Promise.all(names.map((run_id) => signal('start', { run_id })));
  medic.clock.advance(1_000);
  const ends = await Promise.all(
    names.flatMap((run_id) => [signal('complete', { run_id }), signal('complete', { run_id })]),
  );
  const timed = ends.filter(({ body }) => body.results.duration_ms !== undefined);
  expect(timed).toHaveLength(40);
  expect(timed.every(({ body }) => body.results.duration_ms === 1_000)).toBe(true);
});

test('a run that took longer than its limit is told in the answer and announced', async () => {
  await signal('start', { run_id: 'slow' });
  medic.clock.advance(60_000);
  await signal('complete', { run_id: 'slow' });
  await signal('start', { run_id: 'slower' });
  medic.clock.advance(60_001);
  const { body } = await signal('complete', { run_id: 'slower' });
  expect(body.results.duration_alert).toEqual({
    alert_type: 'exceeded',
    max_duration_ms: 60_000,
    exceeded_by_ms: 1,
  });
  await medic.settle();
  expect(await alerts()).toMatchObject([{ kind: 'duration_exceeded', run_id: 'slower', active: true }]);
  expect(medic.pagerDuty.events).toMatchObject([
    { dedup_key: 'medic-job-duration-slower', payload: { summary: 'Medic - Job duration exceeded for job' } },
  ]);
  for (const part of [':stopwatch:', '`job`', '`slower`', '1m 0s', 'site-reliability']) {
    expect(texts()[0]).toContain(part);
  }
  // The service itself is well.
  expect((await medic.call('GET', `/v2/services/${id}`)).body.results).toMatchObject({
    state: 'up',
    down: false,
  });

  await signal('start', { run_id: 'quick' });
  await signal('complete', { run_id: 'quick' });
  await medic.settle();
  expect(await alerts()).toMatchObject([{ active: false, close_reason: 'superseded' }]);
  expect(medic.pagerDuty.events.at(-1)).toMatchObject({ event_action: 'resolve' });
});

test('a run that does not end is announced once, exactly at its limit, each concurrent run by itself', async () => {
  await signal('start', { run_id: 'a' });
  medic.clock.advance(20_000);
  await signal('start', { run_id: 'b' });
  await medic.advance('40s');
  expect(await alerts()).toEqual([]);
  await medic.advance('1s');
  expect(await alerts()).toMatchObject([{ kind: 'stale_job', run_id: 'a', alert_cycle: 1 }]);
  expect(texts()[0]).toMatch(/:hourglass:.*`job`.*`a`.*1m 0s.*limit 1m 0s.*site-reliability/);
  await medic.advance('20s');
  expect(await alerts()).toHaveLength(2);
  await medic.advance('10m');
  expect(await alerts()).toHaveLength(2);
  expect(texts()).toHaveLength(2);
  expect(await runs('?open=true')).toMatchObject([
    { run_id: 'b', status: 'STALE_ALERTED', stale: true },
    { run_id: 'a', status: 'STALE_ALERTED', stale: true },
  ]);
  const page = await (await fetch(`${medic.url}/metrics`)).text();
  expect(page).toContain('\nmedic_stale_jobs_current 2\n');
  expect(page).toContain('\nmedic_duration_alerts_total{alert_type="stale"} 2\n');

  // Its end closes the alert and tells the duration; a second alert about the same run would say it twice.
  const { body } = await signal('complete', { run_id: 'a' });
  expect(body.results).toHaveProperty('duration_alert');
  await medic.settle();
  expect(await alerts('?kind=duration_exceeded')).toEqual([]);
  expect((await alerts('?kind=stale_job')).at(-1)).toMatchObject({
    active: false,
    close_reason: 'run_finished',
  });
  expect(texts().at(-1)).toMatch(/:green_heart:.*`a` has finished after 11m/);
});

test('a later run that succeeds takes the place of a stale one', async () => {
  await signal('start', { run_id: 'stuck' });
  await medic.advance('61s');
  await signal('start', { run_id: 'next' });
  medic.clock.advance(1_000);
  await signal('fail', { run_id: 'next' });
  expect(await alerts('?kind=stale_job&active=true')).toHaveLength(1);
  await signal('start', { run_id: 'again' });
  await signal('complete', { run_id: 'again' });
  expect(await alerts('?kind=stale_job')).toMatchObject([{ active: false, close_reason: 'superseded' }]);
});

test('setting, lowering and clearing the limit applies to running jobs at once', async () => {
  await medic.call('PATCH', `/v2/services/${id}`, { max_duration_ms: null });
  await signal('start', { run_id: 'r' });
  await medic.advance('2h');
  expect(await alerts()).toEqual([]);
  await medic.call('PATCH', `/v2/services/${id}`, { max_duration_ms: 1_000 });
  await medic.advance('1s');
  expect(await alerts()).toMatchObject([{ kind: 'stale_job', active: true }]);
  await medic.call('PATCH', `/v2/services/${id}`, { max_duration_ms: null });
  expect(await alerts()).toMatchObject([{ active: false, close_reason: 'superseded' }]);
});

test('the largest limit that can be set is never reached, and wakes nobody', async () => {
  await medic.call('PATCH', `/v2/services/${id}`, { max_duration_ms: Number.MAX_SAFE_INTEGER });
  await signal('start', { run_id: 'r1' });
  await medic.db.query(sql`update medic.service_state set check_at = null`);
  for (const edit of [undefined, { team: 'night' }]) {
    if (edit !== undefined) await medic.call('PATCH', `/v2/services/${id}`, edit);
    await medic.db.query(sql`update medic.service_state set check_at = null`);
    expect((await nextCheck(medic.db))?.getUTCFullYear()).toBe(9999);
  }
});

test('a stale alert can be resolved by hand, a service alert cannot', async () => {
  await signal('start', { run_id: 'r' });
  await medic.advance('61s');
  const resolved = await medic.call('POST', '/v2/alerts/1/resolve', {});
  expect(resolved.body.results).toMatchObject({ active: false, close_reason: 'resolved' });
  expect((await medic.call('POST', '/v2/alerts/1/resolve', {})).status).toBe(409);
  await signal('fail');
  expect((await medic.call('POST', '/v2/alerts/2/resolve', {})).status).toBe(409);
  expect((await medic.call('POST', '/v2/alerts/77/resolve', {})).status).toBe(404);
});

test('a run whose stale alert was resolved by hand is not announced again when it ends', async () => {
  await signal('start', { run_id: 'r1' });
  await medic.advance('61s');
  await medic.call('POST', '/v2/alerts/1/resolve', {});
  const end = await signal('complete', { run_id: 'r1' });
  expect(end.body.results.duration_alert).toMatchObject({ alert_type: 'exceeded' });
  expect(await alerts()).toMatchObject([{ kind: 'stale_job', close_reason: 'resolved' }]);
});

test('while muted a stale run is alerted silently, and announced when the mute ends', async () => {
  await medic.call('POST', `/v2/services/${id}/mute`, { duration: '10m' });
  await signal('start', { run_id: 'r' });
  await medic.advance('61s');
  expect(await alerts()).toMatchObject([{ kind: 'stale_job', active: true }]);
  expect(texts()).toEqual([]);
  await medic.advance('10m');
  expect(texts()).toHaveLength(1);
  expect(texts()[0]).toContain(':hourglass:');
});

test('a stale run that was alerted under a mute is announced when the recovery of the service ends the mute', async () => {
  await signal('start', { run_id: 'r1' });
  await signal('fail');
  await medic.settle();
  await medic.call('POST', `/v2/services/${id}/mute`, {});
  await medic.advance('61s');
  expect(texts()).toHaveLength(1);
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'job', status: 'UP' });
  await medic.settle();
  expect(texts().filter((text) => text.includes(':hourglass:'))).toHaveLength(1);
  // Events of different alerts go out side by side.
  const events = medic.pagerDuty.events.map(({ event_action, dedup_key }) => `${event_action} ${dedup_key}`);
  expect(events.sort()).toEqual(['resolve medic-job', 'trigger medic-job', 'trigger medic-job-stale-r1']);
});

test('a stale run that ends with the mute of its service is never announced', async () => {
  await signal('start', { run_id: 'r1' });
  await signal('fail');
  await medic.settle();
  await medic.call('POST', `/v2/services/${id}/mute`, {});
  await medic.advance('61s');
  await signal('complete', { run_id: 'r1' });
  await medic.settle();
  expect(texts()).toHaveLength(1);
  expect(await alerts('?active=true')).toEqual([]);
});

test('a service alert and a run alert of one service live side by side', async () => {
  await signal('start', { run_id: 'r' });
  await medic.advance('61s');
  await signal('fail');
  await medic.settle();
  expect(await alerts('?active=true')).toHaveLength(2);
  await signal('complete');
  await medic.settle();
  expect(await alerts('?active=true')).toMatchObject([{ kind: 'stale_job' }]);
  await medic.call('PATCH', `/v2/services/${id}`, { active: false });
  expect(await alerts('?active=true')).toEqual([]);
});

test('statistics are made of the newest hundred runs with a duration', async () => {
  expect((await medic.call('GET', '/v2/services/99/stats')).status).toBe(404);
  for (const [index, seconds] of [100, 1, 2, 3, 4, 5].entries()) {
    await signal('start', { run_id: `r${index}` });
    medic.clock.advance(seconds * 1000);
    await signal(index % 2 === 0 ? 'complete' : 'fail', { run_id: `r${index}` });
  }
  await signal('complete', { run_id: 'without start' });
  expect((await medic.call('GET', `/v2/services/${id}/stats`)).body.results).toMatchObject({
    service_id: id,
    run_count: 6,
    p50_duration_ms: 3_500,
    max_duration_ms: 100_000,
  });
});
