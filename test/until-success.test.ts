import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registered, resultsOf } from './harness/expectations.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;
let service: { service_id: number; heartbeat_name: string };
/** Slack channels that refuse messages, and how. */
let refusing: Map<string, { status: number; body: string; headers?: Record<string, string> }>;

const BUSY = { status: 500, body: '{}' };
const GONE = { status: 200, body: '{"ok":false,"error":"is_archived"}' };

beforeEach(async () => {
  medic = await startTestMedic();
  refusing = new Map();
  medic.slack.answer = ({ body }) =>
    refusing.get(new URLSearchParams(body).get('channel') ?? '') ?? {
      status: 200,
      body: '{"ok":true,"ts":"1.1","channel":"C"}',
    };
  service = await registered(medic, {
    alert_interval_seconds: 604_800,
    notification_mode: 'notify_until_success',
  });
});
afterEach(() => medic.close());

const report = async (status: string) => {
  await medic.call('POST', '/heartbeat', { heartbeat_name: service.heartbeat_name, status });
  await medic.settle();
};
const target = async (body: Record<string, unknown>): Promise<number> =>
  resultsOf(await medic.call('POST', `/v2/services/${service.service_id}/targets`, body), 201).target_id;
const slack = (channel_id: string, more = {}) => target({ type: 'slack', config: { channel_id }, ...more });
const pager = (service_key: string, more = {}) =>
  target({ type: 'pagerduty', config: { service_key }, ...more });
const tried = () => medic.slack.messages.map(({ channel }) => channel);
const pages = () => medic.pagerDuty.events.map(({ event_action }) => event_action);
const sent = async (id = 1): Promise<string[]> =>
  resultsOf(await medic.call('GET', `/v2/alerts/${id}`)).notifications.map(
    (one: Record<string, string>) =>
      `${one.event} ${one.destination}: ${one.status} ${one.attempts}${one.error === null ? '' : `, ${one.error}`}`,
  );
const seconds = (from: Date) => (medic.clock.now().getTime() - from.getTime()) / 1000;

test('one is told, in the order of priority and id, and the others are not needed', async () => {
  await slack('C-LAST', { priority: 5 });
  await slack('C-FIRST');
  await slack('C-SECOND');
  await report('DOWN');
  expect(tried()).toEqual(['C-FIRST']);
  expect(await sent()).toEqual([
    'opened C-FIRST: success 1',
    'opened C-SECOND: cancelled 0, another target was told',
    'opened C-LAST: cancelled 0, another target was told',
  ]);
  await report('UP');
  expect(tried()).toEqual(['C-FIRST', 'C-FIRST']);
});

test('the next is asked at once when one fails', async () => {
  refusing.set('C-1', BUSY).set('C-2', GONE);
  for (const channel of ['C-1', 'C-2', 'C-3', 'C-4']) await slack(channel);
  const from = medic.clock.now();
  await report('DOWN');
  expect(tried()).toEqual(['C-1', 'C-2', 'C-3']);
  expect(seconds(from)).toBe(0);
  expect((await sent()).map((one) => one.replace(/^opened /, ''))).toEqual([
    'C-1: failed 1, answered 500',
    'C-2: failed 1, is_archived',
    'C-3: success 1',
    'C-4: cancelled 0, another target was told',
  ]);
  await medic.advance('15m');
  expect(tried()).toHaveLength(3);
});

test('a round in vain is repeated after 1 s, 5 s, 30 s and 10 min, and then it has failed', async () => {
  refusing.set('C-1', BUSY).set('C-2', BUSY);
  await slack('C-1');
  await slack('C-2');
  const from = medic.clock.now();
  const times: number[] = [];
  const answer = medic.slack.answer;
  medic.slack.answer = (request) => {
    times.push(seconds(from));
    return answer(request);
  };
  await report('DOWN');
  await medic.advance('1h');
  expect(tried()).toEqual(Array(5).fill(['C-1', 'C-2']).flat());
  expect(times).toEqual([0, 0, 1, 1, 6, 6, 36, 36, 636, 636]);
  expect(await sent()).toEqual(['opened C-1: failed 5, answered 500', 'opened C-2: failed 5, answered 500']);
  const errors = medic.lines.filter(({ level }) => level === 'ERROR');
  expect(errors).toHaveLength(2);
});

test('a target that recovers in a later round takes the message, whoever refuses for good is left out', async () => {
  refusing.set('C-1', GONE).set('C-2', BUSY);
  await slack('C-1');
  await slack('C-2');
  await report('DOWN');
  await medic.advance('7s');
  expect(tried()).toEqual(['C-1', 'C-2', 'C-2', 'C-2']);
  refusing.clear();
  await medic.advance('30s');
  expect(tried()).toEqual(['C-1', 'C-2', 'C-2', 'C-2', 'C-2']);
  expect(await sent()).toEqual(['opened C-1: failed 1, is_archived', 'opened C-2: success 4']);
});

test('a target that asks to be left alone for longer is passed over', async () => {
  refusing.set('C-1', { status: 429, body: '{"ok":false}', headers: { 'retry-after': '20' } });
  refusing.set('C-2', BUSY);
  await slack('C-1');
  await slack('C-2');
  await report('DOWN');
  await medic.advance('10s');
  expect(tried()).toEqual(['C-1', 'C-2', 'C-2', 'C-2']);
  await medic.advance('30s');
  expect(tried().slice(4)).toEqual(['C-1', 'C-2']);
});

describe('reminders', () => {
  const remind = async () => {
    await medic.advance('2m');
    await report('DOWN');
  };

  test('go to the target that took the message, and start a new round when it fails', async () => {
    refusing.set('C-1', BUSY);
    for (const channel of ['C-1', 'C-2', 'C-3']) await slack(channel);
    await report('DOWN');
    expect(tried()).toEqual(['C-1', 'C-2']);
    await remind();
    expect(tried().slice(2)).toEqual(['C-2']);
    refusing.set('C-2', BUSY);
    await remind();
    expect(tried().slice(3)).toEqual(['C-2', 'C-1', 'C-3']);
    await remind();
    expect(tried().slice(6)).toEqual(['C-3']);
    await report('UP');
    expect(tried().slice(7).toSorted()).toEqual(['C-1', 'C-2', 'C-3']);
  });

  test('are not sent while PagerDuty has the incident', async () => {
    await pager('key-one');
    await slack('C-1');
    await report('DOWN');
    await remind();
    await report('UP');
    expect([pages(), tried()]).toEqual([['trigger', 'resolve'], []]);
  });

  test('page when Slack fails later', async () => {
    await slack('C-1');
    await pager('key-one');
    await report('DOWN');
    refusing.set('C-1', BUSY);
    await remind();
    expect([pages(), tried()]).toEqual([['trigger'], ['C-1', 'C-1']]);
    refusing.clear();
    await report('UP');
    expect(pages()).toEqual(['trigger', 'resolve']);
    expect(await sent()).toContain('opened service key: success 1');
  });

  test('wait until the message before has found a target', async () => {
    refusing.set('C-1', BUSY);
    await slack('C-1');
    await report('DOWN');
    await remind();
    expect(tried()).toEqual(Array(4).fill('C-1'));
    const { history } = resultsOf(await medic.call('GET', '/v2/alerts/1'));
    expect(history.at(-1).decisions[0]).toMatchObject({ outcome: 'skip', reason: 'still_trying' });
    refusing.clear();
    await medic.advance('10m');
    expect(tried()).toHaveLength(5);
    expect(await sent()).toEqual(['opened C-1: success 5']);
  });
});

describe('an alert that ends while its opening is still looking for a target', () => {
  test('is told, then its end, to whoever takes it, and to nobody else', async () => {
    refusing.set('C-1', BUSY).set('C-2', BUSY);
    for (const channel of ['C-1', 'C-2', 'C-3']) await slack(channel);
    refusing.set('C-3', BUSY);
    await report('DOWN');
    await report('UP');
    expect(tried()).toEqual(['C-1', 'C-2', 'C-3']);
    refusing.delete('C-2');
    refusing.delete('C-1');
    await medic.advance('1s');
    // Those that were tried may have been told, whatever they answered.
    expect(tried().slice(3, 4)).toEqual(['C-1']);
    expect(tried().slice(4).toSorted()).toEqual(['C-1', 'C-2', 'C-3']);
    await medic.advance('15m');
    expect((await sent()).filter((one) => one.startsWith('opened'))).toEqual([
      'opened C-1: success 2',
      'opened C-2: failed 1, answered 500',
      'opened C-3: failed 1, answered 500',
    ]);
  });

  test('before anybody was asked: one is told of both, and of the end nobody who was not', async () => {
    await slack('C-1');
    await slack('C-2');
    await pager('key-one');
    await medic.call('POST', '/heartbeat', { heartbeat_name: service.heartbeat_name, status: 'DOWN' });
    await medic.call('POST', '/heartbeat', { heartbeat_name: service.heartbeat_name, status: 'UP' });
    await medic.settle();
    expect([tried(), pages()]).toEqual([['C-1', 'C-1'], []]);
    expect(await sent()).toEqual([
      'opened C-1: success 1',
      'opened C-2: cancelled 0, another target was told',
      'opened service key: cancelled 0',
      'recovered C-1: success 1',
      'recovered C-2: cancelled 0, it was never told of the alert',
    ]);
  });

  test('goes on with the next when PagerDuty, whose turn it was, is not needed any more', async () => {
    await pager('key-one');
    await slack('C-1');
    await medic.call('POST', '/heartbeat', { heartbeat_name: service.heartbeat_name, status: 'DOWN' });
    await medic.call('POST', '/heartbeat', { heartbeat_name: service.heartbeat_name, status: 'UP' });
    await medic.settle();
    expect([pages(), tried()]).toEqual([[], ['C-1', 'C-1']]);
  });
});

test('an incident of the alert before is ended although the next alert only holds PagerDuty in reserve', async () => {
  await slack('C-1');
  await pager('key-one');
  refusing.set('C-1', BUSY);
  await report('DOWN');
  expect(pages()).toEqual(['trigger']);
  refusing.clear();
  medic.pagerDuty.answer = () => ({ status: 500, body: '{}' });
  await report('UP');
  medic.pagerDuty.answer = () => ({ status: 202, body: '{}' });
  await report('DOWN');
  await medic.advance('15m');
  expect(pages()).toEqual(['trigger', 'resolve', 'resolve']);
});

test('two workers pass the turn once', async () => {
  refusing.set('C-1', BUSY).set('C-2', BUSY);
  for (const channel of ['C-1', 'C-2', 'C-3']) await slack(channel);
  const names: string[] = [];
  for (let n = 0; n < 20; n += 1) {
    const one = await registered(medic, {
      alert_interval_seconds: 604_800,
      notification_mode: 'notify_until_success',
    });
    names.push(one.heartbeat_name);
    for (const channel of ['C-1', 'C-2', 'C-3']) {
      await medic.call('POST', `/v2/services/${one.service_id}/targets`, {
        type: 'slack',
        config: { channel_id: channel },
      });
    }
  }
  await Promise.all(
    names.map((heartbeat_name) => medic.call('POST', '/heartbeat', { heartbeat_name, status: 'DOWN' })),
  );
  await Promise.all([medic.settle(), medic.settle()]);
  await medic.settle();
  for (const channel of ['C-1', 'C-2', 'C-3'])
    expect(tried().filter((one) => one === channel)).toHaveLength(20);
});
