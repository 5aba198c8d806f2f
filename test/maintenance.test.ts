import { afterEach, beforeEach, expect, test } from 'vitest';
import { nextCheck } from '../src/features/heartbeats/detect.ts';
import { sql } from '../src/platform/db.ts';
import { runSweep } from '../src/worker.ts';
import { resultsOf } from './harness/expectations.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;

beforeEach(async () => {
  medic = await startTestMedic();
});
afterEach(() => medic.close());

/** Moves the clock, which starts at 12:00:00, to a time of 2040-03-01, or of another day of that March. */
async function until(time: string, day = '01'): Promise<void> {
  await medic.advance(`${Date.parse(`2040-03-${day}T${time}Z`) - medic.clock.now().getTime()}ms`);
}

const register = async (name: string, fields: Record<string, unknown> = {}): Promise<number> => {
  const body = { heartbeat_name: name, service_name: name, alert_interval_seconds: 600, ...fields };
  return resultsOf(await medic.call('POST', '/v2/services', body), 201).service_id;
};
const window = async (from: string, to: string, fields: Record<string, unknown> = {}): Promise<number> => {
  const times = { start_time: `2040-03-01T${from}Z`, end_time: `2040-03-01T${to}Z` };
  const body = { name: `${from}-${to}`, ...times, ...fields };
  return resultsOf(await medic.call('POST', '/v2/maintenance-windows', body), 201).window_id;
};
const patch = async (id: number, fields: Record<string, unknown>) =>
  resultsOf(await medic.call('PATCH', `/v2/maintenance-windows/${id}`, fields));
const remove = async (id: number) => resultsOf(await medic.call('DELETE', `/v2/maintenance-windows/${id}`));
const report = async (name: string, status: string, more: Record<string, unknown> = {}) =>
  resultsOf(await medic.call('POST', '/heartbeat', { heartbeat_name: name, status, ...more }), 201);
const signal = (id: number, name: string, run_id: string) =>
  medic.call('POST', `/v2/heartbeat/${id}/${name}`, { run_id });
const alerts = async (query = '') => resultsOf(await medic.call('GET', `/v2/alerts${query}`)).entries;
const service = async (id: number) => resultsOf(await medic.call('GET', `/v2/services/${id}`));
const openedAt = async () =>
  (await alerts()).map((alert: { created_date: string }) => alert.created_date.slice(11));
const held = () =>
  medic.lines.filter(({ message }) => /held back by a maintenance window/.test(String(message)));
const due = async () => (await nextCheck(medic.db))?.toISOString().slice(11, 19);

test('a silent service is late in maintenance, and its alert opens as the window ends', async () => {
  const id = await register('a');
  const windowId = await window('12:05:00', '13:00:00');
  await until('12:30:00');
  expect(await alerts()).toEqual([]);
  expect(await service(id)).toMatchObject({
    state: 'late',
    down: false,
    maintenance: {
      in_maintenance: true,
      window_id: windowId,
      window_name: '12:05:00-13:00:00',
      maintenance_end: '2040-03-01T13:00:00.000Z',
    },
  });
  // It sleeps until then.
  expect(await due()).toBe('13:00:00');
  expect(held()).toMatchObject([
    { level: 'INFO', service_id: id, window_id: windowId, window_name: '12:05:00-13:00:00' },
  ]);
  await until('13:00:00.050');
  expect(await alerts()).toEqual([]);
  await until('13:00:01');
  expect(await alerts()).toMatchObject([{ reason: 'missed_heartbeat', alert_cycle: 1, active: true }]);
  expect(await openedAt()).toEqual(['13:00:00.101Z']);
  expect(medic.pagerDuty.events).toHaveLength(1);
  expect(held()).toHaveLength(1);
});

test('a deadline just before a window is judged by the window that has begun, and opens at its end', async () => {
  await register('a');
  await window('12:10:00.050', '12:20:00');
  await until('12:11:00');
  expect(await alerts()).toEqual([]);
  await until('12:21:00');
  expect(await openedAt()).toEqual(['12:20:00.101Z']);
});

test.each([
  ['DOWN', { message: 'disk full' }, { reason: 'reported_down', run_id: null, last_message: 'disk full' }],
  ['FAILED', { run_id: 'r7' }, { reason: 'job_failed', run_id: 'r7', last_message: null }],
])(
  'a report of %s in maintenance opens its alert as the window ends, whatever became of its event',
  async (status, more, expected) => {
    const id = await register('a', { alert_interval_seconds: 86_400 });
    await window('12:05:00', '13:00:00');
    await until('12:10:00');
    await report('a', 'FAILED', { message: 'an earlier one' });
    await until('12:20:00');
    await report('a', status, more);
    expect(await service(id)).toMatchObject({ state: 'late', last_status: status, active_alert_id: null });
    expect(resultsOf(await medic.call('GET', '/v2/services?state=late')).total_count).toBe(1);
    expect(held()).toHaveLength(1);
    await report('a', 'STARTED');
    expect(await service(id)).toMatchObject({ state: 'late' });
    await medic.db.query(sql`truncate medic.heartbeats`);
    await until('12:59:59');
    expect(await alerts()).toEqual([]);
    await until('13:00:01');
    expect(await alerts()).toMatchObject([{ ...expected, alert_cycle: 1 }]);
    expect(await openedAt()).toEqual(['13:00:00.101Z']);
    expect(await service(id)).toMatchObject({ state: 'down' });
    const { rowCount } = await medic.db.query(sql`select from medic.held_reports`);
    expect(rowCount).toBe(0);
  },
);

test('a failure that is cleared before the window ends opens nothing', async () => {
  const id = await register('a', { alert_interval_seconds: 86_400 });
  await window('12:05:00', '13:00:00');
  await until('12:10:00');
  await report('a', 'DOWN');
  await until('12:20:00');
  await report('a', 'UP');
  expect(await service(id)).toMatchObject({ state: 'up' });
  await until('14:00:00');
  expect(await alerts()).toEqual([]);
  const { rowCount } = await medic.db.query(sql`select from medic.held_reports`);
  expect(rowCount).toBe(0);
});

test('a service that reports again in maintenance is judged by what it sent', async () => {
  const id = await register('a');
  await window('12:05:00', '13:00:00');
  await until('12:30:00');
  await report('a', 'UP');
  expect(await service(id)).toMatchObject({ state: 'up' });
  await until('12:55:00');
  await report('a', 'UP');
  await until('13:04:59');
  expect(await alerts()).toEqual([]);
  await until('13:06:00');
  expect(await openedAt()).toEqual(['13:05:00.101Z']);
});

test('with a threshold a cleared failure counts signs anew, held back until the window ends', async () => {
  await register('a', { threshold: 2 });
  await window('12:01:00', '13:00:00');
  await until('12:05:00');
  await report('a', 'UP');
  await report('a', 'DOWN');
  await until('12:06:00');
  await report('a', 'UP');
  await until('12:30:00');
  expect(await alerts()).toEqual([]);
  await until('13:00:01');
  expect(await openedAt()).toEqual(['13:00:00.101Z']);
});

test('an active alert stays as it is in maintenance: no increments, no reminders, but recovery', async () => {
  await register('a');
  await until('12:10:01');
  expect(await alerts()).toMatchObject([{ alert_cycle: 1 }]);
  await window('12:15:00', '12:45:00');
  await until('12:20:30');
  expect(await alerts()).toMatchObject([{ alert_cycle: 1 }]);
  await report('a', 'DOWN', { message: 'not counted' });
  await until('12:40:30');
  expect(await alerts()).toMatchObject([{ alert_cycle: 1, active: true }]);
  expect(medic.slack.messages).toHaveLength(1);
  // Those that fell due at 12:20, 12:30 and 12:40 are passed over; the next one counts.
  await until('12:50:00');
  expect(await alerts()).toMatchObject([{ alert_cycle: 1 }]);
  await until('12:50:01');
  expect(await alerts()).toMatchObject([{ alert_cycle: 2 }]);
  await window('12:55:00', '13:05:00');
  await until('13:00:30');
  // The failure report in maintenance was not counted, but STARTED does not clear it.
  await report('a', 'STARTED');
  expect(await alerts()).toMatchObject([{ active: true, alert_cycle: 2 }]);
  await report('a', 'UP');
  await medic.settle();
  expect(await alerts()).toMatchObject([{ active: false, close_reason: 'recovered' }]);
  expect(medic.pagerDuty.events.map(({ event_action }) => event_action)).toEqual(['trigger', 'resolve']);
  expect(medic.slack.messages.at(-1)?.text).toContain(':green_heart:');
});

test('what fell due while no worker ran counts only outside of maintenance, with one reminder', async () => {
  await register('a', { alert_interval_seconds: 60 });
  await until('12:01:30');
  await window('12:05:00', '12:25:00');
  medic.clock.advance(45 * 60_000);
  await medic.settle();
  // Opened at 12:01:00.101; due at every minute after it until 12:46: 45, of which 20 in the window.
  expect(await alerts()).toMatchObject([{ alert_cycle: 1 + 45 - 20 }]);
  expect(medic.slack.messages).toHaveLength(2);
});

test('what fell due before the window while no worker ran is counted when that has ended', async () => {
  await register('a', { alert_interval_seconds: 60 });
  await until('12:01:30');
  await window('12:05:00', '12:25:00');
  medic.clock.advance(8.5 * 60_000);
  await medic.settle();
  expect(await alerts()).toMatchObject([{ alert_cycle: 1 }]);
  expect(medic.slack.messages).toHaveLength(1);
  await until('12:25:00.150');
  // Opened at 12:01:00.101, due at 12:02:00.101 and the two minutes after that.
  expect(await alerts()).toMatchObject([{ alert_cycle: 4 }]);
  expect(medic.slack.messages).toHaveLength(2);
  // And from 12:25:00.101 on as ever.
  await until('12:25:00.500');
  expect(await alerts()).toMatchObject([{ alert_cycle: 5 }]);
  expect(medic.slack.messages).toHaveLength(3);
});

test('a run that becomes stale in maintenance is alerted as the window ends, once', async () => {
  const id = await register('job', { alert_interval_seconds: 86_400, max_duration_ms: 60_000 });
  const windowId = await window('12:00:00', '13:00:00', { name: 'deploy' });
  await signal(id, 'start', 'r1');
  await until('12:02:00');
  expect(await alerts()).toEqual([]);
  expect(resultsOf(await medic.call('GET', `/v2/services/${id}/runs`)).entries).toMatchObject([
    { run_id: 'r1', status: 'STARTED' },
  ]);
  expect(held()).toMatchObject([
    { service_id: id, window_id: windowId, window_name: 'deploy', run_id: 'r1' },
  ]);
  expect(await due()).toBe('13:00:00');
  await signal(id, 'start', 'r2');
  await until('12:30:00');
  await signal(id, 'complete', 'r2');
  await until('13:00:01');
  expect(await alerts()).toMatchObject([{ kind: 'stale_job', run_id: 'r1' }]);
  expect(await openedAt()).toEqual(['13:00:00.101Z']);
  await until('14:00:00');
  expect(await alerts()).toHaveLength(1);
});

test('a run that took too long opens no alert when it ends in maintenance; its sender is told all the same', async () => {
  const id = await register('job', { alert_interval_seconds: 86_400, max_duration_ms: 60_000 });
  await signal(id, 'start', 'r1');
  await window('12:00:30', '13:00:00');
  await until('12:01:30');
  const end = await signal(id, 'complete', 'r1');
  expect(end.body.results.duration_alert).toMatchObject({ alert_type: 'exceeded' });
  await until('14:00:00');
  expect(await alerts()).toEqual([]);
  expect(held()).toHaveLength(2);
});

test('windows in a row hold back an alert until the last of them ends, each told once', async () => {
  const id = await register('a');
  const first = await window('12:05:00', '12:30:00');
  const second = await window('12:20:00', '12:40:00', { service_ids: [id] });
  await until('12:40:00');
  expect(await alerts()).toEqual([]);
  expect(held().map((line) => line.window_id)).toEqual([first, second]);
  await until('12:41:00');
  expect(await openedAt()).toEqual(['12:40:00.101Z']);
});

test('a recurring window that is longer than its period holds back alerts for ever, and is told once', async () => {
  await register('a');
  await window('12:00:00', '13:30:00', { recurrence: '0 * * * *' });
  await until('03:17:00', '02');
  expect(await alerts()).toEqual([]);
  expect(held()).toHaveLength(1);
});

test('a recurring window covers each time anew, by the clock of its zone', async () => {
  // 02:00 to 04:00 in Chicago; on 2040-03-11 the clocks go from 02:00 to 03:00.
  await window('00:00:00', '02:00:00', { recurrence: '0 2 * * *', timezone: 'America/Chicago' });
  for (const [day, opens] of [
    ['10', '10:00:00.101'],
    ['11', '10:00:00.101'],
    ['12', '09:00:00.101'],
  ] as const) {
    await until('07:55:00', day);
    const id = await register(`of-${day}`);
    await until('10:01:00', day);
    const [{ heartbeat_name, created_date }] = await alerts('?active=true');
    expect([heartbeat_name, created_date]).toEqual([`of-${day}`, `2040-03-${day}T${opens}Z`]);
    resultsOf(await medic.call('DELETE', `/v2/services/${id}`));
  }
});

test('cron mode: late from its occurrence on, also after a sign of life in maintenance', async () => {
  const id = await register('nightly', {
    alert_interval_seconds: undefined,
    expected_cron: '*/15 * * * *',
    grace_period_seconds: 60,
  });
  await window('12:10:00', '13:05:00');
  await until('12:20:00');
  expect(await service(id)).toMatchObject({ state: 'late' });
  await report('nightly', 'UP');
  expect(await service(id)).toMatchObject({ state: 'up' });
  await until('12:31:30');
  expect(await service(id)).toMatchObject({ state: 'late' });
  expect(await alerts()).toEqual([]);
  await until('13:05:01');
  expect(await openedAt()).toEqual(['13:05:00.101Z']);
});

test('a window that is deleted, shortened or taken from a service lets the alert open at once', async () => {
  const ids = [await register('a'), await register('b'), await register('c'), await register('d')];
  const [a, b, c, d] = await Promise.all(
    ids.map((id) => window('12:05:00', '18:00:00', { name: `w${id}`, service_ids: [id] })),
  );
  await until('12:30:00');
  await remove(a as number);
  await medic.advance('101ms');
  expect(await alerts()).toMatchObject([{ heartbeat_name: 'a' }]);
  await until('12:40:00');
  await patch(b as number, { end_time: '2040-03-01T12:40:00Z' });
  await medic.advance('101ms');
  expect(await alerts()).toMatchObject([{ heartbeat_name: 'b' }, {}]);
  await until('12:50:00');
  await patch(c as number, { service_ids: [ids[3]] });
  await medic.advance('101ms');
  expect(await alerts()).toMatchObject([{ heartbeat_name: 'c' }, {}, {}]);
  await until('13:00:00');
  // Extended, and covered by two.
  await patch(c as number, { end_time: '2040-03-01T19:00:00Z' });
  await remove(d as number);
  await until('18:59:59');
  expect(await alerts()).toHaveLength(3);
  await until('19:00:01');
  expect(await openedAt()).toContain('19:00:00.101Z');
});

test('a failure and a stale run that a deleted window held back are alerted at once', async () => {
  const id = await register('job', { alert_interval_seconds: 86_400, max_duration_ms: 60_000 });
  const windowId = await window('12:00:00', '18:00:00');
  await signal(id, 'start', 'r1');
  await report('job', 'DOWN', { message: 'no disk' });
  await until('12:10:00');
  await remove(windowId);
  await medic.advance('101ms');
  expect(await alerts()).toMatchObject([
    { kind: 'stale_job', run_id: 'r1' },
    { kind: 'service', reason: 'reported_down', last_message: 'no disk' },
  ]);
});

test('a change that does not end the maintenance tells nothing again', async () => {
  await register('a');
  const windowId = await window('12:05:00', '18:00:00');
  await until('12:30:00');
  await patch(windowId, { name: 'renamed' });
  await until('12:31:00');
  expect(await alerts()).toEqual([]);
  expect(held()).toHaveLength(1);
  expect(await due()).toBe('18:00:00');
});

test('a window that is made while alerts are active or due leaves the former and holds back the latter', async () => {
  await register('a');
  await until('12:10:01');
  await register('b');
  await window('12:00:00', '13:00:00');
  await until('12:40:00');
  expect(await alerts()).toMatchObject([{ heartbeat_name: 'a', alert_cycle: 1 }]);
  await until('13:00:00.150');
  expect(await alerts()).toMatchObject([{ heartbeat_name: 'b' }, { heartbeat_name: 'a', alert_cycle: 1 }]);
});

test('other services of the same names and runs are alerted as ever', async () => {
  const covered = await register('a');
  await register('b');
  await window('12:05:00', '13:00:00', { service_ids: [covered] });
  await until('12:10:01');
  expect(await alerts()).toMatchObject([{ heartbeat_name: 'b' }]);
});

test('an inactive service is not held back, and starts afresh', async () => {
  const id = await register('a');
  await window('12:05:00', '13:00:00');
  await report('a', 'UP');
  await until('12:20:00');
  await report('a', 'DOWN');
  resultsOf(await medic.call('PATCH', `/v2/services/${id}`, { active: false }));
  resultsOf(await medic.call('PATCH', `/v2/services/${id}`, { active: true }));
  const { rowCount } = await medic.db.query(sql`select from medic.held_reports`);
  expect(rowCount).toBe(0);
  await until('12:29:00');
  expect(await service(id)).toMatchObject({ state: 'up' });
  await until('13:00:01');
  expect(await alerts()).toMatchObject([{ reason: 'missed_heartbeat' }]);
});

test('a changed service stays held back by its failure', async () => {
  const id = await register('a', { alert_interval_seconds: 86_400 });
  await window('12:05:00', '13:00:00');
  await until('12:10:00');
  await report('a', 'DOWN', { message: 'gone' });
  resultsOf(await medic.call('PATCH', `/v2/services/${id}`, { alert_interval_seconds: 43_200 }));
  expect(await due()).toBe('13:00:00');
  await until('13:00:01');
  expect(await alerts()).toMatchObject([{ reason: 'reported_down', last_message: 'gone' }]);
});

test('a mute and a window together: the alert opens as the window ends, and is announced with the mute', async () => {
  const id = await register('a');
  await window('12:05:00', '13:00:00');
  resultsOf(await medic.call('POST', `/v2/services/${id}/mute`, { until: '2040-03-01T14:00:00Z' }));
  await until('13:30:00');
  expect(await alerts()).toMatchObject([{ active: true }]);
  expect(medic.pagerDuty.events).toEqual([]);
  await until('14:00:01');
  expect(medic.pagerDuty.events).toHaveLength(1);
});

test('a mute that ends in maintenance announces what nobody has heard of, and reminds of nothing', async () => {
  const heard = await register('heard');
  const unheard = await register('unheard');
  const muted = (id: number) =>
    medic.call('POST', `/v2/services/${id}/mute`, { until: '2040-03-01T12:30:00Z' });
  await muted(unheard);
  await until('12:10:01');
  await muted(heard);
  await window('12:15:00', '13:00:00');
  expect(medic.slack.messages).toHaveLength(1);
  await until('12:31:00');
  expect(medic.slack.messages).toHaveLength(2);
  expect(medic.slack.messages.at(-1)?.text).toContain('unheard');
  expect(medic.pagerDuty.events.map(({ dedup_key }) => dedup_key)).toEqual(['medic-heard', 'medic-unheard']);
});

test('a window that cannot be evaluated is told with its id and holds back nobody', async () => {
  await register('a');
  const broken = await window('11:00:00', '12:00:00', { recurrence: '0 * * * *' });
  await medic.db.query(sql`
    update medic.maintenance_windows set recurrence = 'now and then' where window_id = ${broken}`);
  const good = await window('12:05:00', '12:15:00');
  await until('12:14:00');
  expect(await alerts()).toEqual([]);
  expect(held()).toMatchObject([{ window_id: good }]);
  await until('12:15:01');
  expect(await alerts()).toHaveLength(1);
  expect(medic.lines).toContainEqual(expect.objectContaining({ level: 'ERROR', window_id: broken }));
});

test('a change of a window that is broken off changes nothing', async () => {
  await register('a');
  const windowId = await window('12:05:00', '18:00:00');
  await until('12:30:00');
  await medic.db.query({
    text: "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$",
  });
  await medic.db.query({
    text: 'create trigger refuse before update on medic.maintenance_windows for each row execute function refuse()',
  });
  const answer = await medic.call('PATCH', `/v2/maintenance-windows/${windowId}`, {
    end_time: '2040-03-01T12:00:00Z',
    start_time: '2040-03-01T11:00:00Z',
  });
  expect(answer.status).toBe(500);
  expect(await due()).toBe('18:00:00');
  await until('12:31:00');
  expect(await alerts()).toEqual([]);
});

test('the sweep finds nothing to do in maintenance, and releases what a lost window held back', async () => {
  await register('a');
  const windowId = await window('12:05:00', '18:00:00');
  await until('12:30:00');
  expect(await runSweep(medic.parts)).toBe(0);
  await medic.db.query(sql`delete from medic.maintenance_windows where window_id = ${windowId}`);
  expect(await runSweep(medic.parts)).toBe(1);
  await medic.advance('101ms');
  expect(await alerts()).toHaveLength(1);
});
