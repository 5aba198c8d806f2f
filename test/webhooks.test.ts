import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSecret } from '../src/features/access/secrets.ts';
import { forgetDestination } from '../src/features/notifications/destination.ts';
import { sql } from '../src/platform/db.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { type Answer, Receiver } from './harness/receivers.ts';
import { tell } from './harness/tell.ts';

let medic: TestMedic;
let hook: Receiver;

/** Those that refuse messages for good, the longest failing first. */
const failingDestinations = async () =>
  (await medic.db.query(sql`select * from medic.destinations order by failing_since, lane`)).rows;

beforeEach(async () => {
  medic = await startTestMedic({
    MEDIC_ALLOWED_WEBHOOK_CIDRS: '127.0.0.0/8',
    MEDIC_SECRETS_KEY: Buffer.alloc(32, 1).toString('base64'),
    MEDIC_REMINDER_MIN_SECONDS: '0',
  });
  hook = new Receiver(() => ({ status: 204, body: '' }));
  await hook.listen();
  const fields = { heartbeat_name: 'backup', service_name: 'Backup', alert_interval_seconds: 604_800 };
  await medic.call('POST', '/v2/services', fields);
});
afterEach(async () => {
  await hook.close();
  await medic.close();
});

const to = (more: object = {}, path = '/hook') => ({
  channel: 'webhook',
  address: { url: hook.url + path, ...more },
  webhookId: 1,
});
const report = async (status = 'DOWN') => {
  const { status: code } = await medic.call('POST', '/heartbeat', { heartbeat_name: 'backup', status });
  expect(code).toBe(201);
};
async function sent() {
  const { rows } = await medic.db.query(sql`
    select status, attempts, error, response_code from medic.notifications where channel = 'webhook'
    order by sequence`);
  return rows;
}
const says = (status: number): Answer => ({ status, body: '' });

test('an event is posted with its body, its headers and the signature of the very bytes', async () => {
  await report();
  await tell(medic, [to({ secret: 'geheim', headers: { 'X-Api-Key': 'k1', 'user-agent': 'mine' } })]);
  await medic.settle();
  const [request] = hook.received;
  expect(request?.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': 'mine',
    'x-api-key': 'k1',
    'x-medic-event': 'alert.opened',
    'x-medic-attempt': '1',
    'x-medic-signature': `sha256=${createHmac('sha256', 'geheim')
      .update(request?.body ?? '')
      .digest('hex')}`,
  });
  const { rows } = await medic.db.query<{ delivery_id: string }>(sql`
    select delivery_id from medic.notifications where channel = 'webhook'`);
  expect(request?.headers['x-medic-delivery']).toBe(rows[0]?.delivery_id);
  expect(JSON.parse(request?.body ?? '')).toEqual({
    event: 'alert.opened',
    delivery_id: rows[0]?.delivery_id,
    occurred_at: expect.stringMatching(/^2040-.*Z$/),
    alert: {
      alert_id: 1,
      alert_name: 'Medic - DOWN reported for backup',
      kind: 'service',
      reason: 'reported_down',
      run_id: null,
      active: true,
      alert_cycle: 1,
      created_date: expect.any(String),
      closed_date: null,
      close_reason: null,
      url: 'https://medic.example.com/ui/alerts/1',
    },
    service: {
      service_id: 1,
      heartbeat_name: 'backup',
      service_name: 'Backup',
      team: 'site-reliability',
      priority: 'p3',
      runbook: null,
      last_heartbeat: expect.anything(),
    },
  });
  expect(Object.keys(JSON.parse(request?.body ?? ''))).toEqual([
    'event',
    'delivery_id',
    'occurred_at',
    'alert',
    'service',
  ]);
});

test('four attempts after 1, 5 and 30 seconds send the same bytes under the same id, whatever happens meanwhile', async () => {
  hook.answer = () => says(500);
  await report();
  await tell(medic, [to({ secret: 'geheim' })]);
  await medic.settle();
  await medic.call('PATCH', '/v2/services/1', { service_name: 'Renamed', team: 'other' });
  await medic.advance('10m');
  expect(hook.received.map(({ headers }) => headers['x-medic-attempt'])).toEqual(['1', '2', '3', '4']);
  const constant = hook.received.map(({ headers, body }) => [
    body,
    headers['x-medic-delivery'],
    headers['x-medic-signature'],
  ]);
  expect(new Set(constant.map((one) => JSON.stringify(one))).size).toBe(1);
  expect(await sent()).toEqual([
    { status: 'failed', attempts: 4, error: 'answered 500', response_code: 500 },
  ]);
  const page = await (await medic.fetch('/metrics')).text();
  expect(page).toContain('medic_webhook_deliveries_total{status="failed"} 1');
});

test('a redirect is not followed and not a success', async () => {
  hook.answer = (request) =>
    request.path === '/hook' ? { status: 302, body: '', headers: { location: '/elsewhere' } } : says(200);
  await report();
  await tell(medic, [to()]);
  await medic.settle();
  await medic.advance('10m');
  expect(hook.received.map(({ path }) => path)).toEqual(Array(4).fill('/hook'));
});

test('an address that the guard refuses fails at once, in its words and without a connection', async () => {
  await report();
  await tell(medic, [{ channel: 'webhook', address: { url: 'http://169.254.169.254/latest?token=geheim' } }]);
  await medic.advance('10m');
  expect(await sent()).toEqual([
    { status: 'failed', attempts: 1, error: 'Invalid webhook URL', response_code: null },
  ]);
  expect(JSON.stringify(medic.lines)).not.toContain('geheim');
});

describe('secrets', () => {
  test('are put into header values and the signing secret at each attempt, and shown to nobody', async () => {
    const { db, clock, vault } = medic.parts.context;
    await createSecret({ db, clock, vault }, { name: 'TOKEN', value: 'topsecret-1' }, 'test');
    hook.answer = ({ headers }) => ({ status: 500, body: `who is ${headers.authorization}?` });
    await report();
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference of the specification
    const reference = 'Bearer ${secrets.TOKEN}';
    await tell(medic, [to({ headers: { Authorization: reference }, secret: reference })]);
    await medic.settle();
    await medic.call('PATCH', '/v2/secrets/TOKEN', { value: 'topsecret-2' });
    hook.answer = ({ headers }) => ({ status: 200, body: `thanks ${headers.authorization}` });
    await medic.advance('2s');
    expect(hook.received.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer topsecret-1',
      'Bearer topsecret-2',
    ]);
    const last = hook.received.at(-1);
    const signature = createHmac('sha256', 'Bearer topsecret-2')
      .update(last?.body ?? '')
      .digest('hex');
    expect(last?.headers['x-medic-signature']).toBe(`sha256=${signature}`);
    const { rows } = await medic.db.query(sql`select row_to_json(n)::text as row from medic.notifications n`);
    const alert = await medic.call('GET', '/v2/alerts/1');
    for (const text of [JSON.stringify(rows), JSON.stringify(alert.body), JSON.stringify(medic.lines)]) {
      expect(text).not.toContain('topsecret');
    }
    expect(JSON.stringify(alert.body)).toContain('thanks ***');
  });

  test('one that is missing is named, nothing is sent without it, and it may come later', async () => {
    await report();
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference of the specification
    await tell(medic, [to({ headers: { Authorization: '${secrets.NOT_THERE}' } })]);
    await medic.settle();
    expect(await sent()).toEqual([
      { status: 'retrying', attempts: 1, error: 'unknown secrets: NOT_THERE', response_code: null },
    ]);
    const { db, clock, vault } = medic.parts.context;
    await createSecret({ db, clock, vault }, { name: 'NOT_THERE', value: 'here it is' }, 'test');
    await medic.advance('2s');
    expect(hook.received).toHaveLength(1);
  });
});

describe('a destination that refuses for good', () => {
  const remind = async (minutes: number) => {
    medic.clock.advance(minutes * 60_000);
    await report();
    await tell(medic, [to()], { event: 'reminder' });
    await medic.settle();
  };

  test('is told every opening once and a reminder in five minutes, until it takes one; nothing is silent', async () => {
    hook.answer = () => says(404);
    await report();
    await tell(medic, [to()]);
    await medic.settle();
    await medic.advance('1m');
    expect(hook.received).toHaveLength(4);
    expect(await failingDestinations()).toMatchObject([
      { channel: 'webhook', destination: new URL(hook.url).host, response_code: 404, error: 'answered 404' },
    ]);
    for (let minute = 0; minute < 10; minute += 1) await remind(1);
    // Probes after 5 and 10 minutes, each of one attempt.
    expect(hook.received).toHaveLength(6);
    expect((await sent()).map(({ status, error }) => `${status} ${error}`)).toEqual([
      'failed answered 404',
      ...Array.from({ length: 10 }, (_, n) =>
        n % 5 === 4 ? 'failed answered 404' : 'skipped destination failing permanently',
      ),
    ]);
    await tell(medic, [to()], { event: 'opened' });
    await medic.settle();
    await medic.advance('1m');
    expect(hook.received).toHaveLength(7);
    hook.answer = () => says(200);
    await tell(medic, [to()], { event: 'opened' });
    await medic.settle();
    expect(await failingDestinations()).toEqual([]);
    await remind(1);
    expect((await sent()).at(-1)).toMatchObject({ status: 'success' });
    const told = medic.lines.map(({ message }) => message);
    expect(told.filter((one) => one === 'a destination refuses messages for good')).toHaveLength(1);
    expect(told).toContain('a destination takes messages again');
  });

  test('a change of its address or of its configuration gives it a new start; another one is not touched', async () => {
    hook.answer = ({ path }) => says(path === '/hook' ? 410 : 204);
    await report();
    await tell(medic, [to(), { ...to(), webhookId: 2 }, { ...to({}, '/other'), webhookId: 3 }]);
    await medic.settle();
    await medic.advance('1m');
    expect(await failingDestinations()).toHaveLength(2);
    await forgetDestination(medic.db, { webhookId: 1 });
    expect(await failingDestinations()).toHaveLength(1);
    const before = hook.received.length;
    await tell(medic, [to({}, '/new'), { ...to(), webhookId: 2 }], { event: 'reminder' });
    await medic.settle();
    expect(hook.received.slice(before).map(({ path }) => path)).toEqual(['/new']);
  });

  test('a reminder that is left out does not hurry the opening before it, which waits for its next attempt', async () => {
    hook.answer = () => says(404);
    await report();
    await tell(medic, [to()]);
    await medic.settle();
    await medic.advance('1m');
    hook.answer = () => says(500);
    await tell(medic, [to()], { event: 'opened' });
    await medic.settle();
    const before = hook.received.length;
    await tell(medic, [to()], { event: 'reminder' });
    await medic.settle();
    expect((await sent()).at(-1)).toMatchObject({ status: 'skipped' });
    expect(hook.received.length).toBe(before);
    await medic.advance('1s');
    expect(hook.received.length).toBe(before + 1);
  });

  test('a page is attempted however PagerDuty refused the one before', async () => {
    medic.pagerDuty.answer = () => ({ status: 400, body: 'unknown routing key' });
    await report();
    await medic.settle();
    const fields = { heartbeat_name: 'second', service_name: 'Second', alert_interval_seconds: 604_800 };
    await medic.call('POST', '/v2/services', fields);
    await medic.call('POST', '/heartbeat', { heartbeat_name: 'second', status: 'DOWN' });
    await medic.settle();
    expect(medic.pagerDuty.received).toHaveLength(2);
    expect(await failingDestinations()).toHaveLength(1);
  });

  test('of two workers that hold a reminder at the same moment one makes the probe', async () => {
    hook.answer = () => says(401);
    await report();
    await tell(medic, [to()]);
    await medic.settle();
    await medic.advance('6m');
    const before = hook.received.length;
    for (const name of ['a', 'b', 'c']) {
      await medic.call('POST', '/v2/services', {
        heartbeat_name: name,
        service_name: name,
        alert_interval_seconds: 604_800,
      });
      await medic.call('POST', '/heartbeat', { heartbeat_name: name, status: 'DOWN' });
    }
    await medic.settle();
    await tell(medic, [to()], { event: 'reminder' });
    await medic.settle();
    expect(hook.received.length).toBe(before + 1);
  });
});

test('two webhooks at one address do not wait for each other', async () => {
  hook.answer = () => says(hook.received.length === 1 ? 500 : 200);
  await report();
  await tell(medic, [to(), { ...to(), webhookId: 2 }]);
  await medic.settle();
  expect((await sent()).map(({ status }) => status).sort()).toEqual(['retrying', 'success']);
});

test('an address that its channel cannot read fails like any other and ends', async () => {
  await report();
  await tell(medic, [
    { channel: 'chat', address: { kind: 'carrier-pigeon', url: `${hook.url}/geheim-123` } },
  ]);
  await medic.settle();
  await medic.advance('20m');
  const { rows } = await medic.db.query(sql`
    select status, attempts, error from medic.notifications where channel = 'chat'`);
  expect(rows).toEqual([{ status: 'failed', attempts: 5, error: 'unexpected error' }]);
  expect(medic.lines.filter(({ message }) => message === 'a channel broke down')).toHaveLength(5);
  expect(JSON.stringify(medic.lines)).not.toContain('geheim-123');
});
