import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sql } from '../src/platform/db.ts';
import { expectFailure, registered, resultsOf } from './harness/expectations.ts';
import { runDueJobs, startTestMedic, type TestMedic } from './harness/medic.ts';
import { Receiver } from './harness/receivers.ts';

let medic: TestMedic;
let hook: Receiver;
let service: { service_id: number; heartbeat_name: string };

beforeEach(async () => {
  hook = new Receiver(() => ({ status: 204, body: '' }));
  await hook.listen();
  medic = await startTestMedic({ MEDIC_ALLOWED_WEBHOOK_CIDRS: '127.0.0.0/8' });
  service = await registered(medic, { alert_interval_seconds: 604_800 });
});
afterEach(async () => {
  await medic.close();
  await hook.close();
});

const report = async (status: string) => {
  await medic.call('POST', '/heartbeat', { heartbeat_name: service.heartbeat_name, status });
  await medic.settle();
};
const target = async (body: Record<string, unknown>): Promise<number> =>
  resultsOf(await medic.call('POST', `/v2/services/${service.service_id}/targets`, body), 201).target_id;
const slack = (channel_id: string, more = {}) => target({ type: 'slack', config: { channel_id }, ...more });
const pager = (service_key: string, more = {}) =>
  target({ type: 'pagerduty', config: { service_key }, ...more });
const webhook = async (path: string, more = {}): Promise<number> =>
  resultsOf(await medic.call('POST', '/v2/webhooks', { url: hook.url + path, ...more }), 201).webhook_id;
const alert = async (id = 1) => resultsOf(await medic.call('GET', `/v2/alerts/${id}`));
const patch = (body: object) => medic.call('PATCH', `/v2/services/${service.service_id}`, body);
const channels = () => medic.slack.messages.map(({ channel }) => channel);
const keys = () =>
  medic.pagerDuty.events.map(({ routing_key, event_action }) => `${routing_key} ${event_action}`);
const hooked = () => hook.received.map(({ path, headers }) => `${path} ${headers['x-medic-event']}`).sort();
/** START is a Thursday, 12:00 UTC. */
const schedule = async (start: string, end: string) => {
  const hours = { thursday: [{ start, end }], friday: [{ start, end }] };
  const body = { name: 'working hours', timezone: 'UTC', hours };
  const { schedule_id } = resultsOf(await medic.call('POST', '/v2/schedules', body), 201);
  expect((await patch({ schedule_id })).status).toBe(200);
};
type Shown = {
  channel: string;
  target_id: number | null;
  webhook_id: number | null;
  outcome: string;
  reason: string;
};
const decisions = async (index = -1, id = 1): Promise<string[]> =>
  (await alert(id)).history
    .at(index)
    .decisions.map(
      ({ channel, target_id, webhook_id, outcome, reason }: Shown) =>
        `${channel}${target_id === null ? '' : ` t${target_id}`}${webhook_id === null ? '' : ` w${webhook_id}`}: ${outcome}, ${reason}`,
    );

test('every alert is sent to the webhooks of the service and of all, and to its targets instead of the default', async () => {
  await slack('C-ONE');
  await pager('key-one');
  const other = await registered(medic, { alert_interval_seconds: 604_800 });
  await webhook('/all');
  await webhook('/own', { service_id: service.service_id });
  await webhook('/other', { service_id: other.service_id });
  await report('DOWN');
  expect(channels()).toEqual(['C-ONE']);
  expect(keys()).toEqual(['key-one trigger']);
  expect(hooked()).toEqual(['/all alert.opened', '/own alert.opened']);
  await medic.advance('2m');
  await report('DOWN');
  await medic.call('POST', '/v2/alerts/1/acknowledge', {});
  await medic.settle();
  await report('UP');
  expect(channels()).toEqual(['C-ONE', 'C-ONE', 'C-ONE']);
  expect(keys()).toEqual(['key-one trigger', 'key-one acknowledge', 'key-one resolve']);
  for (const path of ['/all', '/own']) {
    expect(hooked().filter((one) => one.startsWith(path))).toEqual(
      ['acknowledged', 'opened', 'recovered', 'reminder'].map((event) => `${path} alert.${event}`),
    );
  }
  expect(await decisions(0)).toEqual([
    'webhook w1: send, sent',
    'webhook w2: send, sent',
    'slack t1: send, sent',
    'pagerduty t2: send, sent',
    'slack: skip, service_has_targets',
    'pagerduty: skip, service_has_targets',
  ]);
  const deliveries = await medic.db.query(sql`
    select distinct delivery_id from medic.notifications where channel = 'webhook' and status = 'success'`);
  expect(deliveries.rowCount).toBe(8);
});

test('a failing target never affects another', async () => {
  await slack('C-ONE');
  await pager('key-one');
  medic.slack.answer = () => ({ status: 500, body: '{}' });
  await report('DOWN');
  expect(keys()).toEqual(['key-one trigger']);
  await medic.advance('15m');
  const { notifications } = await alert();
  expect(
    notifications.map(
      ({ channel, status, attempts }: { channel: string; status: string; attempts: number }) => [
        channel,
        status,
        attempts,
      ],
    ),
  ).toEqual([
    ['slack', 'failed', 5],
    ['pagerduty', 'success', 1],
  ]);
});

test('targets are told in their period, and nobody when none is for it, which is recorded and logged', async () => {
  await schedule('09:00', '17:00');
  await slack('C-DAY', { period: 'during_hours' });
  const night = await pager('key-night', { period: 'after_hours' });
  const off = await slack('C-OFF', { enabled: false });
  await webhook('/all');
  await report('DOWN');
  expect([channels(), keys()]).toEqual([['C-DAY'], []]);
  expect(await decisions()).toEqual([
    'webhook w1: send, sent',
    'slack t1: send, sent',
    `pagerduty t${night}: skip, only_after_hours`,
    `slack t${off}: skip, disabled`,
    'slack: skip, service_has_targets',
    'pagerduty: skip, service_has_targets',
  ]);
  await medic.advance('5h');
  await report('DOWN');
  expect(keys()).toEqual(['key-night trigger']);
  await report('UP');
  expect(channels()).toEqual(['C-DAY', 'C-DAY']);
  expect(keys()).toEqual(['key-night trigger', 'key-night resolve']);

  await medic.call('DELETE', `/v2/services/${service.service_id}/targets/${night}`);
  await report('DOWN');
  expect(channels()).toHaveLength(2);
  const second = await alert(2);
  expect(
    second.notifications.map(({ channel, status, error }: Record<string, string>) => [
      channel,
      status,
      error,
    ]),
  ).toEqual([
    ['webhook', 'success', null],
    ['slack', 'skipped', 'disabled'],
    ['none', 'skipped', 'no target is for this period'],
  ]);
  expect(medic.lines).toContainEqual(
    expect.objectContaining({
      level: 'INFO',
      alert_id: 2,
      message: expect.stringContaining('deliberately quiet'),
    }),
  );
  await medic.advance('16h');
  await report('DOWN');
  expect(channels().slice(2)).toEqual(['C-DAY']);
});

test('with targets that are all disabled the default route is used, and each of them is recorded', async () => {
  await slack('C-OFF', { enabled: false });
  await report('DOWN');
  expect(channels()).toEqual(['C-DEFAULT']);
  expect((await alert()).notifications[0]).toMatchObject({
    channel: 'slack',
    status: 'skipped',
    error: 'disabled',
  });
});

test('a disabled webhook is recorded and not sent', async () => {
  await webhook('/off', { enabled: false });
  await report('DOWN');
  await report('UP');
  expect(hook.received).toEqual([]);
  expect((await alert()).notifications[0]).toMatchObject({
    channel: 'webhook',
    status: 'skipped',
    error: 'disabled',
  });
});

test('who is disabled while attempts are still to come is left alone, but hears of the end where it heard of the beginning', async () => {
  hook.answer = () => ({ status: 500, body: '' });
  const subscribed = await webhook('/subscribed');
  const targeted = await target({ type: 'webhook', config: { url: `${hook.url}/target` } });
  await report('DOWN');
  expect(hooked()).toEqual(['/subscribed alert.opened', '/target alert.opened']);
  await medic.call('PATCH', `/v2/webhooks/${subscribed}`, { enabled: false });
  await medic.call('PATCH', `/v2/services/${service.service_id}/targets/${targeted}`, { enabled: false });
  await medic.advance('1m');
  expect(hook.received).toHaveLength(2);
  const shown = (await alert()).notifications.map(
    (one: Record<string, unknown>) => `${one.status} after ${one.attempts}: ${one.error}`,
  );
  expect(shown).toEqual(['failed after 1: disabled', 'failed after 1: disabled']);
  hook.answer = () => ({ status: 204, body: '' });
  await report('UP');
  expect(hooked().slice(2)).toEqual(['/target alert.recovered']);
});

test('of several of which one is enough, one that is disabled while it waits gives its turn to the next', async () => {
  await patch({ notification_mode: 'notify_until_success' });
  medic.slack.answer = () => ({ status: 503, body: '' });
  const first = await slack('C-FIRST');
  await slack('C-SECOND');
  await report('DOWN');
  expect(channels()).toEqual(['C-FIRST', 'C-SECOND']);
  medic.slack.answer = () => ({ status: 200, body: '{"ok":true}' });
  await medic.call('PATCH', `/v2/services/${service.service_id}/targets/${first}`, { enabled: false });
  await medic.advance('2s');
  expect(channels()).toEqual(['C-FIRST', 'C-SECOND', 'C-SECOND']);
  const { notifications } = await alert();
  expect(notifications).toMatchObject([
    { status: 'failed', attempts: 1, error: 'disabled' },
    { status: 'success' },
  ]);
});

test('two targets with the same address are told once', async () => {
  await slack('C-ONE', { priority: 5 });
  const first = await slack('C-ONE', { priority: 1 });
  await report('DOWN');
  expect(channels()).toEqual(['C-ONE']);
  expect((await decisions()).slice(0, 2)).toEqual([
    `slack t${first}: send, sent`,
    'slack t1: skip, duplicate',
  ]);
});

test('the end is told to targets and webhooks that were changed, disabled or removed since', async () => {
  const moved = await slack('C-OLD');
  const disabled = await slack('C-DISABLED');
  const removed = await pager('key-removed');
  const hookGone = await webhook('/gone', { secret: 'the-secret' });
  await webhook('/late', { enabled: false });
  await report('DOWN');
  const one = (id: number) => `/v2/services/${service.service_id}/targets/${id}`;
  await medic.call('PATCH', one(moved), { config: { channel_id: 'C-NEW' } });
  await medic.call('PATCH', one(disabled), { enabled: false });
  await medic.call('DELETE', one(removed));
  await medic.call('DELETE', `/v2/webhooks/${hookGone}`);
  await webhook('/new');
  await report('UP');
  expect(channels().toSorted()).toEqual(['C-DISABLED', 'C-DISABLED', 'C-OLD', 'C-OLD']);
  expect(keys()).toEqual(['key-removed trigger', 'key-removed resolve']);
  expect(hooked()).toEqual(['/gone alert.opened', '/gone alert.recovered']);
  const signatures = hook.received.map(({ headers }) => headers['x-medic-signature']);
  for (const signature of signatures) expect(signature).toMatch(/^sha256=/);
  expect(await decisions()).toContain('webhook w3: skip, not_told_before');
});

describe('what is announced to nobody', () => {
  test('has its reason: mute, a reminder that comes too soon, an acknowledgement', async () => {
    await webhook('/all');
    await medic.call('POST', `/v2/services/${service.service_id}/mute`, {});
    await report('DOWN');
    expect([channels(), keys(), hooked()]).toEqual([[], [], []]);
    const [opened] = (await alert()).history;
    expect(opened).toMatchObject({
      suppressed: 'muted',
      decisions: [
        { reason: 'muted' },
        { reason: 'muted' },
        { reason: 'muted', explanation: 'the service is muted' },
      ],
    });
    await medic.call('POST', `/v2/services/${service.service_id}/unmute`, {});
    await medic.settle();
    expect([channels(), keys(), hooked()]).toEqual([
      ['C-DEFAULT'],
      ['default-routing-key trigger'],
      ['/all alert.opened'],
    ]);
    await report('DOWN');
    expect(await decisions()).toContain('webhook w1: skip, too_soon');
    await medic.call('POST', '/v2/alerts/1/acknowledge', {});
    await medic.settle();
    await medic.advance('5m');
    await report('DOWN');
    expect(await decisions()).toContain('slack: skip, acknowledged');
  });

  test('the end of a muted alert is told to machines, not to people', async () => {
    await webhook('/all');
    await report('DOWN');
    await medic.call('POST', `/v2/services/${service.service_id}/mute`, {});
    await report('UP');
    expect(channels()).toEqual(['C-DEFAULT']);
    expect(keys()).toEqual(['default-routing-key trigger', 'default-routing-key resolve']);
    expect(hooked()).toEqual(['/all alert.opened', '/all alert.recovered']);
    expect(await decisions()).toContain('slack: skip, muted');
  });
});

describe('explain', () => {
  const explain = async (query = '') =>
    resultsOf(await medic.call('GET', `/v2/services/${service.service_id}/explain${query}`));

  test('tells who would be told at an instant, and does nothing', async () => {
    await schedule('09:00', '17:00');
    const day = await slack('C-DAY', { period: 'during_hours' });
    const now = await explain();
    expect(now).toMatchObject({
      service_id: service.service_id,
      at: '2040-03-01T12:00:00.000Z',
      event: 'opened',
      suppressed: null,
      during_hours: true,
      schedule_name: 'working hours',
      muted: false,
      quiet: false,
      active_alert_id: null,
      maintenance: { in_maintenance: false },
    });
    expect(now.decisions[0]).toEqual({
      channel: 'slack',
      destination: 'C-DAY',
      target_id: day,
      webhook_id: null,
      outcome: 'send',
      reason: 'sent',
      explanation: 'it is told',
    });
    const night = await explain('?at=2040-03-01T20:00:00Z');
    expect(night).toMatchObject({
      during_hours: false,
      quiet: true,
      decisions: [{ reason: 'outside_hours' }, {}, {}],
    });
    await medic.settle();
    expect(medic.slack.messages).toEqual([]);
    const rows = await medic.db.query(
      sql`select from medic.notifications union all select from medic.alert_events`,
    );
    expect(rows.rowCount).toBe(0);
  });

  test('knows mutes, maintenance windows and acknowledgements', async () => {
    const body = { name: 'upgrade', start_time: '2040-03-01T14:00:00Z', end_time: '2040-03-01T15:00:00Z' };
    expect((await medic.call('POST', '/v2/maintenance-windows', body)).status).toBe(201);
    await medic.call('POST', `/v2/services/${service.service_id}/mute`, { duration: '30m' });
    expect(await explain()).toMatchObject({
      suppressed: 'muted',
      muted: true,
      decisions: [{ reason: 'muted' }, {}],
    });
    expect(await explain('?at=2040-03-01T13:00:00Z')).toMatchObject({ suppressed: null, muted: false });
    expect(await explain('?at=2040-03-01T14:30:00Z')).toMatchObject({
      suppressed: 'in_maintenance',
      maintenance: { in_maintenance: true, window_name: 'upgrade' },
    });
    await medic.call('POST', `/v2/services/${service.service_id}/unmute`, {});
    await report('DOWN');
    await medic.call('POST', '/v2/alerts/1/acknowledge', {});
    await medic.settle();
    expect(await explain('?event=reminder')).toMatchObject({
      suppressed: 'acknowledged',
      active_alert_id: 1,
    });
    expect((await explain('?event=Recovered')).decisions).toMatchObject([
      { channel: 'slack', reason: 'sent' },
      { channel: 'pagerduty', reason: 'sent' },
    ]);
    // The prediction is what happens.
    const expected = (await explain('?event=recovered')).decisions;
    await report('UP');
    expect((await alert()).history.at(-1).decisions).toEqual(expected);
  });

  test('refuses what it does not understand', async () => {
    const path = `/v2/services/${service.service_id}/explain`;
    for (const at of ['soon', '', '+275760-09-12', '0001-01-01', '2099-01-01']) {
      expectFailure(await medic.call('GET', `${path}?at=${encodeURIComponent(at)}`), 400, 'at');
    }
    expectFailure(await medic.call('GET', `${path}?event=exploded`), 400, 'event');
    expectFailure(await medic.call('GET', '/v2/services/999999/explain'), 404, 'Service');
    expectFailure(await medic.call('GET', '/v2/services/x/explain'), 404, 'Service');
  });
});

test('200 targets of as many services are told, each once, also by two workers', async () => {
  const services = await Promise.all(
    Array.from({ length: 40 }, () => registered(medic, { alert_interval_seconds: 604_800 })),
  );
  for (const { service_id } of services) {
    await Promise.all(
      Array.from({ length: 5 }, (_, n) =>
        medic.call('POST', `/v2/services/${service_id}/targets`, {
          type: 'slack',
          config: { channel_id: `C-${service_id}-${n}` },
        }),
      ),
    );
  }
  await Promise.all(
    services.map(({ heartbeat_name }) =>
      medic.call('POST', '/heartbeat', { heartbeat_name, status: 'DOWN' }),
    ),
  );
  const other = medic.connect();
  await medic.detect();
  await Promise.all([runDueJobs(medic.parts), runDueJobs(medic.another(other))]);
  await medic.settle();
  await other.end();
  expect(channels()).toHaveLength(200);
  expect(new Set(channels()).size).toBe(200);
});
