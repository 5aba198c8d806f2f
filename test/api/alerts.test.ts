import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { expectFailure, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const beat = async (heartbeat_name: string, status: string, more: Record<string, unknown> = {}) => {
  expect((await medic.call('POST', '/heartbeat', { heartbeat_name, status, ...more })).status).toBe(201);
};

/** A service with an alert. */
async function failing(fields: Record<string, unknown> = {}, status = 'DOWN') {
  const service = await registered(medic, { alert_interval_seconds: 604_800, ...fields });
  await beat(service.heartbeat_name, status, { message: 'disk full', run_id: 'run-7' });
  const shown = resultsOf(await medic.call('GET', `/v2/services/${service.service_id}`));
  return { ...shown, alert_id: shown.active_alert_id as number };
}

const list = async (query: string) => resultsOf(await medic.call('GET', `/v2/alerts?${query}`));
const ids = async (query: string) =>
  (await list(query)).entries.map((alert: { alert_id: number }) => alert.alert_id);

const V1 = [
  'alert_id',
  'alert_name',
  'service_id',
  'active',
  'external_reference_id',
  'alert_cycle',
  'created_date',
  'closed_date',
  'heartbeat_name',
  'service_name',
  'priority',
  'team',
  'runbook',
  'duration',
  'kind',
  'reason',
];

test('an alert is shown with every member of the resource', async () => {
  const service = await failing(
    { priority: 'p2', team: 'payments', runbook: 'https://example.com/r' },
    'failed',
  );
  const alert = resultsOf(await medic.call('GET', `/v2/alerts/${service.alert_id}`));
  expect(alert).toMatchObject({
    alert_id: service.alert_id,
    alert_name: `Medic - Job failed for ${service.heartbeat_name}`,
    service_id: service.service_id,
    heartbeat_name: service.heartbeat_name,
    service_name: 'Service',
    priority: 'p2',
    team: 'payments',
    runbook: 'https://example.com/r',
    kind: 'service',
    reason: 'job_failed',
    run_id: 'run-7',
    active: true,
    alert_cycle: 1,
    external_reference_id: null,
    last_message: 'disk full',
    acknowledged_at: null,
    acknowledged_by: null,
    created_date: medic.clock.now().toISOString(),
    closed_date: null,
    duration: null,
    close_reason: null,
    executions: [],
  });
  expect(alert.notifications).toBeInstanceOf(Array);
  expect(alert.notifications_count).toBe(alert.notifications.length);
  expect(alert.history_count).toBe(alert.history.length);
  const {
    notifications: _n,
    notifications_count: _nc,
    executions: _e,
    history: _h,
    history_count: _hc,
    ...entry
  } = alert;
  expect((await list(`service_id=${service.service_id}`)).entries).toEqual([entry]);
});

test('the run is named on job_failed only', async () => {
  const { alert_id, heartbeat_name } = await failing();
  expect(resultsOf(await medic.call('GET', `/v2/alerts/${alert_id}`))).toMatchObject({
    alert_name: `Medic - DOWN reported for ${heartbeat_name}`,
    reason: 'reported_down',
    run_id: null,
  });
});

test('of failure reports that arrive together the first one opens the alert, the last one is its message', async () => {
  const { service_id, heartbeat_name } = await registered(medic, { alert_interval_seconds: 604_800 });
  const report = (status: 'DOWN' | 'FAILED', run: string) =>
    medic.parts.ingest.receive({
      service: { nameKey: heartbeat_name },
      status,
      source: 'api',
      runId: run,
      message: `${status} ${run}`,
    });
  await Promise.all([report('DOWN', 'one'), report('FAILED', 'two'), report('FAILED', 'three')]);
  expect((await list(`service_id=${service_id}`)).entries).toMatchObject([
    { reason: 'reported_down', run_id: null, alert_cycle: 3, last_message: 'FAILED three' },
  ]);
});

test('a closed alert has its duration in seconds and why it closed', async () => {
  const { alert_id, heartbeat_name } = await failing();
  await medic.advance('90s');
  await beat(heartbeat_name, 'UP');
  expect(resultsOf(await medic.call('GET', `/v2/alerts/${alert_id}`))).toMatchObject({
    active: false,
    closed_date: medic.clock.now().toISOString(),
    duration: 90,
    close_reason: 'recovered',
  });
});

test('a v1 row has exactly the listed members, newest id first', async () => {
  const open = await failing();
  const rows = resultsOf(await medic.call('GET', '/alerts?active=1'));
  for (const row of rows) expect(Object.keys(row).sort()).toEqual([...V1].sort());
  expect(rows[0]).toMatchObject({ alert_id: open.alert_id, active: 1, duration: null, kind: 'service' });
  await beat(open.heartbeat_name, 'UP');
  const closed = resultsOf(await medic.call('GET', '/alerts?active=0'));
  expect(closed[0]).toMatchObject({ alert_id: open.alert_id, active: 0, duration: 0 });
  const all = resultsOf(await medic.call('GET', '/alerts'));
  const order = all.map((row: { alert_id: number }) => row.alert_id);
  expect(order).toEqual(order.toSorted((a: number, b: number) => b - a));
  expect(resultsOf(await medic.call('GET', '/v1/alerts'))).toEqual(all);
});

test('without a filter v1 answers the newest 100, with one all that match', async () => {
  const { heartbeat_name, alert_id } = await failing();
  await medic.db.query(sql`
    insert into medic.alerts (service_id, kind, reason, state, period_from, created_at, closed_at, close_reason,
      heartbeat_name, service_name, priority, team)
    select service_id, kind, reason, 'closed', period_from, created_at, created_at, 'recovered',
      heartbeat_name, service_name, priority, team
    from medic.alerts, generate_series(1, 101) where alert_id = ${alert_id}`);
  await beat(heartbeat_name, 'UP');
  const newest = resultsOf(await medic.call('GET', '/alerts'));
  expect(newest).toHaveLength(100);
  const closed = resultsOf(await medic.call('GET', '/alerts?active=0'));
  expect(closed.length).toBeGreaterThan(100);
  expect(closed.map((row: { alert_id: number }) => row.alert_id)).toContain(alert_id);
});

test.each(['abc', '', 'true', '1.5', '1&active=1'])('the v1 filter active=%s is refused', async (active) => {
  expectFailure(await medic.call('GET', `/alerts?active=${active}`), 400, 'active');
});

test('every filter selects, in any letter case where it is an enumeration', async () => {
  const down = await failing({ priority: 'p1', team: 'filter-a' });
  const job = await failing({ priority: 'p5', team: 'filter-a' }, 'FAILED');
  await beat(job.heartbeat_name, 'UP');
  resultsOf(await medic.call('POST', `/v2/alerts/${down.alert_id}/acknowledge`));
  const both = 'team=filter-a';
  expect(await ids(both)).toEqual([job.alert_id, down.alert_id]);
  for (const [query, alert] of [
    ['active=true', down],
    ['active=false', job],
    ['reason=Reported_DOWN', down],
    ['reason=job_failed', job],
    ['priority=P1', down],
    ['acknowledged=true', down],
    ['acknowledged=false', job],
    [`service_id=${job.service_id}`, job],
    [`kind=SERVICE&service_id=${down.service_id}`, down],
  ] as const) {
    expect(await ids(`${both}&${query}`), query).toEqual([alert.alert_id]);
  }
  expect(await ids(`${both}&kind=stale_job`)).toEqual([]);
  expect(await ids('team=Filter-A')).toEqual([]);
});

test.each([
  ['active', '2'],
  ['active', 'yes'],
  ['active', ''],
  ['service_id', 'abc'],
  ['service_id', '-1'],
  ['service_id', '1.5'],
  ['kind', 'other'],
  ['reason', ''],
  ['priority', 'p6'],
  ['priority', '1'],
  ['team', '%00'],
  ['acknowledged', 'maybe'],
  ['start_date', 'yesterday'],
  ['start_date', ''],
  ['end_date', '2040-13-01'],
  ['end_date', '2040-02-30T00:00:00Z'],
  ['end_date', '1700000000'],
  ['unknown', '1'],
  ['kind', 'service&kind=service'],
])('the filter %s=%s is refused by name', async (name, value) => {
  expectFailure(await medic.call('GET', `/v2/alerts?${name}=${value}`), 400, name);
});

test('start_date and end_date take every form of the time helper', async () => {
  await medic.advance('1d');
  const { alert_id, team } = await failing({ team: 'dated' });
  const at = medic.clock.now();
  const day = at.toISOString().slice(0, 10);
  const time = at.toISOString().slice(11, 19);
  const select = (query: string) => ids(`team=${team}&${query}`);
  for (const form of [
    at.toISOString(),
    `${day}T${time}Z`,
    `${day}T${time}`,
    `${day} ${time}`,
    `${day} ${time}.000000`,
    `${day} ${time}+00:00`,
    `${day}T${time}-00:00`,
  ]) {
    expect(await select(`start_date=${encodeURIComponent(form)}`), form).toEqual([alert_id]);
  }
  expect(await select(`start_date=${day}`)).toEqual([alert_id]);
  expect(await select(`end_date=${day}`)).toEqual([]);
  expect(await select(`start_date=${new Date(at.getTime() + 1).toISOString()}`)).toEqual([]);
  expect(await select(`end_date=${new Date(at.getTime() - 1).toISOString()}`)).toEqual([]);
});

test('an acknowledgement records who and when, and repeating it changes nothing', async () => {
  const { alert_id } = await failing();
  const acknowledge = (body?: unknown) => medic.call('POST', `/v2/alerts/${alert_id}/acknowledge`, body);
  const first = resultsOf(await acknowledge({ comment: 'on it' }));
  expect(first).toMatchObject({
    alert_id,
    active: true,
    acknowledged_at: medic.clock.now().toISOString(),
    acknowledged_by: expect.any(String),
  });
  await medic.advance('1s');
  for (const body of [undefined, {}, { comment: 'again' }]) {
    // The incident is opened meanwhile.
    const { notifications: _before, external_reference_id: _opened, ...rest } = first;
    expect(resultsOf(await acknowledge(body))).toMatchObject(rest);
  }
});

test('a closed alert cannot be acknowledged, nor an unknown one, nor with wrong members', async () => {
  const { alert_id, heartbeat_name } = await failing();
  const path = `/v2/alerts/${alert_id}/acknowledge`;
  for (const body of [{ comment: 5 }, { comment: null }, { comment: 'a\0' }]) {
    expectFailure(await medic.call('POST', path, body), 400, 'comment');
  }
  expectFailure(await medic.call('POST', path, { note: 'x' }), 400, 'note');
  await beat(heartbeat_name, 'UP');
  expectFailure(await medic.call('POST', path), 409, String(alert_id));
  for (const id of ['0', '999999', 'abc', '-1', '1.5', '%00', '99999999999999999999']) {
    expectFailure(await medic.call('POST', `/v2/alerts/${id}/acknowledge`), 404);
    expectFailure(await medic.call('GET', `/v2/alerts/${id}`), 404);
  }
});
