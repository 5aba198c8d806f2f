import { afterEach, beforeEach, expect, test } from 'vitest';
import { sql } from '../src/platform/db.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;

beforeEach(async () => {
  medic = await startTestMedic();
});
afterEach(() => medic.close());

/** Moves the clock to an instant of 2040. */
async function until(instant: string): Promise<void> {
  await medic.advance(`${Date.parse(`2040-${instant}Z`) - medic.clock.now().getTime()}ms`);
}

async function register(fields: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const { status, body } = await medic.call('POST', '/v2/services', {
    heartbeat_name: 'nightly',
    service_name: 'Nightly',
    expected_cron: '0 2 * * *',
    expected_timezone: 'America/Chicago',
    grace_period_seconds: 1800,
    ...fields,
  });
  expect(status, JSON.stringify(body)).toBe(201);
  return body.results;
}

const beat = (status = 'UP') => medic.call('POST', '/heartbeat', { heartbeat_name: 'nightly', status });
const service = async () => (await medic.call('GET', '/v2/services/1')).body.results;
const alerts = async () => (await medic.call('GET', '/v2/alerts')).body.results.entries;

test('a sign of life is expected after each occurrence, and the deadline shows', async () => {
  expect(await register()).toMatchObject({
    mode: 'cron',
    alert_interval: null,
    expected_at: '2040-03-02T08:00:00.000Z',
    overdue_at: '2040-03-02T08:30:00.000Z',
  });
  expect((await service()).next_expected_times.slice(0, 2)).toEqual([
    '2040-03-02T08:00:00.000Z',
    '2040-03-03T08:00:00.000Z',
  ]);
  expect((await service()).next_expected_times).toHaveLength(10);
  const v1 = await medic.call('GET', '/service/nightly');
  expect(v1.body.results[0].alert_interval).toBe(1440);
});

test('the service is late from its occurrence on, and down after the grace', async () => {
  await register();
  await until('03-02T07:59:00');
  expect((await beat()).status).toBe(201);
  expect(await service()).toMatchObject({ state: 'up', expected_at: '2040-03-02T08:00:00.000Z' });
  await until('03-02T08:10:00');
  expect(await service()).toMatchObject({ state: 'late' });
  const late = await medic.call('GET', '/v2/services?state=late');
  expect(late.body.results.total_count).toBe(1);
  await until('03-02T08:30:00');
  expect(await alerts()).toEqual([]);
  await until('03-02T08:30:01');
  expect(await alerts()).toMatchObject([{ reason: 'missed_heartbeat', active: true }]);
  await beat('STARTED');
  expect(await service()).toMatchObject({ state: 'up', expected_at: '2040-03-03T08:00:00.000Z' });
});

test('a sign in time moves the deadline to the next occurrence, over the change to summer time', async () => {
  await register();
  await until('03-10T08:05:00');
  await beat();
  // 2040-03-11 in Chicago: 02:00 to 03:00 does not exist.
  expect(await service()).toMatchObject({
    state: 'up',
    expected_at: '2040-03-11T08:00:00.000Z',
    overdue_at: '2040-03-11T08:30:00.000Z',
  });
  await until('03-11T08:04:00');
  await beat();
  expect(await service()).toMatchObject({ overdue_at: '2040-03-12T07:30:00.000Z' });
});

test('each missed occurrence raises the cycle at its deadline', async () => {
  await register();
  await until('03-02T08:31:00');
  await until('03-03T08:29:00');
  expect(await alerts()).toMatchObject([{ alert_cycle: 1 }]);
  await until('03-03T08:31:00');
  expect(await alerts()).toMatchObject([{ alert_cycle: 2 }]);
  await until('03-05T08:31:00');
  expect(await alerts()).toMatchObject([{ alert_cycle: 4 }]);
});

test('STARTED after FAILED satisfies its occurrence without recovering the service', async () => {
  await register();
  await beat('FAILED');
  await until('03-02T08:10:00');
  await beat('STARTED');
  await until('03-02T09:00:00');
  expect(await alerts()).toMatchObject([{ active: true, alert_cycle: 1 }]);
  await until('03-03T08:31:00');
  expect(await alerts()).toMatchObject([{ active: true, alert_cycle: 2 }]);
});

test.each([
  [{ expected_cron: 'every night' }, 'expected_cron'],
  [{ expected_cron: '0 0 30 2 *' }, 'expected_cron'],
  [{ expected_cron: '0 2 * * *', alert_interval: 5 }, 'expected_cron'],
  [{ expected_timezone: 'Mars/Olympus' }, 'expected_timezone'],
  [{ threshold: 2 }, 'threshold'],
  [{ grace_period_seconds: 0 }, 'grace_period_seconds'],
  [{ expected_cron: null }, 'alert_interval'],
  [{ expected_cron: '' }, 'expected_cron'],
])('%j is refused and names %s', async (fields, named) => {
  const answer = await medic.call('POST', '/v2/services', {
    heartbeat_name: 'x',
    service_name: 'x',
    expected_cron: '0 2 * * *',
    ...fields,
  });
  expect(answer.status).toBe(400);
  expect(answer.body.message).toContain(named);
  expect(answer.body.errors[0].path).toBe(named);
  expect((await medic.call('GET', '/v2/services')).body.results.total_count).toBe(0);
});

test('the modes can be changed, each time with a whole new period; the default grace of cron mode is 300 s', async () => {
  await register({ grace_period_seconds: undefined });
  expect(await service()).toMatchObject({ grace_period_seconds: 300 });
  const patch = (body: unknown) => medic.call('PATCH', '/v2/services/1', body);
  expect((await patch({ alert_interval: 5 })).status).toBe(400);
  expect((await patch({ expected_cron: null })).status).toBe(400);
  medic.clock.advance(3_600_000);
  const interval = await patch({ expected_cron: null, alert_interval: 5 });
  expect(interval.body.results).toMatchObject({
    mode: 'interval',
    alert_interval: 5,
    monitoring_since: '2040-03-01T13:00:00.000Z',
    expected_at: '2040-03-01T13:05:00.000Z',
  });
  const cron = await patch({ expected_cron: '@hourly' });
  expect(cron.body.results).toMatchObject({
    mode: 'cron',
    alert_interval: null,
    grace_period_seconds: 300,
    expected_at: '2040-03-01T14:00:00.000Z',
  });
});

test('a stored expression that cannot be evaluated is logged, and hides and holds up no other service', async () => {
  await register();
  await medic.call('POST', '/v2/services', { heartbeat_name: 'api', service_name: 'Api', alert_interval: 1 });
  await medic.db.query(sql`
    update medic.services set expected_cron = 'every night' where heartbeat_name = 'nightly'`);
  await medic.db.query(
    sql`update medic.service_state set check_at = ${medic.clock.now()} where service_id = 1`,
  );
  for (const path of ['/v2/services', '/service', '/v2/services/1', '/service/nightly']) {
    expect((await medic.call('GET', path)).status, path).toBe(200);
  }
  await medic.advance('61s');
  expect(await alerts()).toMatchObject([{ heartbeat_name: 'api' }]);
  expect(medic.lines).toContainEqual(
    expect.objectContaining({ level: 'ERROR', service_id: 1, message: 'a service could not be judged' }),
  );
});
