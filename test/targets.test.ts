import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAddress } from '../src/features/notifications/address.ts';
import { sealedTargets, sealedWebhooks } from '../src/features/routing/credentials.ts';
import { findTarget } from '../src/features/routing/targets.ts';
import { findWebhook } from '../src/features/routing/webhooks.ts';
import { sql } from '../src/platform/db.ts';
import { rotate } from '../src/platform/rotation.ts';
import { Vault } from '../src/platform/vault.ts';
import { expectFailure, registered, resultsOf } from './harness/expectations.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { Receiver } from './harness/receivers.ts';

let medic: TestMedic;
let hook: Receiver;
const KEY = Buffer.alloc(32, 7).toString('base64');

beforeAll(async () => {
  hook = new Receiver(() => ({ status: 204, body: '' }));
  await hook.listen();
  medic = await startTestMedic({
    MEDIC_SECRETS_KEY: KEY,
    MEDIC_ALLOWED_WEBHOOK_CIDRS: '127.0.0.0/8',
  });
});
afterAll(async () => {
  await medic.close();
  await hook.close();
});

const SLACK = { type: 'slack', config: { channel_id: 'C-ONE' } };
const path = (serviceId: number, ...rest: (number | string)[]) =>
  ['/v2/services', serviceId, 'targets', ...rest].join('/');
const add = (serviceId: number, body: unknown) => medic.call('POST', path(serviceId), body);
const added = async (serviceId: number, body: unknown) => resultsOf(await add(serviceId, body), 201);
const stored = async (targetId: number) => {
  const { rows } = await medic.db.query<{ text: string }>(
    sql`select to_jsonb(targets)::text as text from medic.targets where target_id = ${targetId}`,
  );
  return rows[0]?.text ?? '';
};

describe('a target', () => {
  test('has defaults, is found, changed member by member, and removed', async () => {
    const { service_id } = await registered(medic);
    const target = await added(service_id, SLACK);
    expect(target).toEqual({
      target_id: expect.any(Number),
      service_id,
      ...SLACK,
      priority: 0,
      enabled: true,
      period: 'always',
    });
    const one = path(service_id, target.target_id);
    expect(resultsOf(await medic.call('GET', one))).toEqual(target);
    expect(resultsOf(await medic.call('PATCH', one, {}))).toEqual(target);
    const change = { priority: -5, enabled: false, period: 'AFTER_hours' };
    const changed = { ...target, ...change, period: 'after_hours' };
    expect(resultsOf(await medic.call('PATCH', one, change))).toEqual(changed);
    const other = { type: 'PagerDuty', config: { service_key: 'a-service-key' } };
    expect(resultsOf(await medic.call('PATCH', one, other))).toEqual({
      ...changed,
      type: 'pagerduty',
      config: { service_key: '***' },
    });
    expect(resultsOf(await medic.call('DELETE', one))).toBe('');
    expectFailure(await medic.call('GET', one), 404, 'Target');
    expectFailure(await medic.call('PATCH', one, {}), 404, 'Target');
    expectFailure(await medic.call('DELETE', one), 404, 'Target');
    expectFailure(await medic.call('POST', `${one}/test`), 404, 'Target');
  });

  test('is listed by priority, then id, and belongs to one service', async () => {
    const { service_id } = await registered(medic);
    const { service_id: other } = await registered(medic);
    const ids: number[] = [];
    for (const priority of [5, 0, 5, -1])
      ids.push((await added(service_id, { ...SLACK, priority })).target_id);
    const { entries, total_count } = resultsOf(await medic.call('GET', `${path(service_id)}?limit=3`));
    expect(entries.map((entry: { target_id: number }) => entry.target_id)).toEqual([ids[3], ids[1], ids[0]]);
    expect(total_count).toBe(4);
    expect(resultsOf(await medic.call('GET', path(other))).entries).toEqual([]);
    expectFailure(await medic.call('GET', path(other, ids[0] as number)), 404, 'Target');
    expectFailure(await medic.call('GET', path(999_999)), 404, 'Service');
    expectFailure(await add(999_999, SLACK), 404, 'Service');
    expect((await medic.call('DELETE', `/v2/services/${service_id}`)).status).toBe(200);
    expect(
      (await medic.db.query(sql`select from medic.targets where service_id = ${service_id}`)).rowCount,
    ).toBe(0);
  });

  test('shows no credential, stores them sealed, and keeps those that are sent back masked', async () => {
    const { service_id } = await registered(medic);
    const config = {
      url: `${hook.url}/one`,
      headers: { Authorization: 'Bearer hidden-1', 'X-Own': 'hidden-2' },
    };
    const target = await added(service_id, { type: 'webhook', config: { ...config, secret: 'hidden-3' } });
    const masked = {
      url: `${hook.url}/one`,
      headers: { Authorization: '***', 'X-Own': '***' },
      secret: '***',
    };
    expect(target.config).toEqual(masked);
    expect(await stored(target.target_id)).not.toMatch(/hidden/);
    const one = path(service_id, target.target_id);

    const kept = {
      ...masked,
      url: `${hook.url}/two`,
      headers: { authorization: '***', 'X-New': 'hidden-4' },
    };
    expect(resultsOf(await medic.call('PATCH', one, { config: kept })).config).toEqual({
      ...kept,
      headers: { authorization: '***', 'X-New': '***' },
    });
    hook.received.length = 0;
    const result = {
      target_id: target.target_id,
      target_type: 'webhook',
      success: true,
      error_message: null,
    };
    expect(resultsOf(await medic.call('POST', `${one}/test`))).toEqual(result);
    const [request] = hook.received;
    expect(request).toMatchObject({
      path: '/two',
      headers: { authorization: 'Bearer hidden-1', 'x-new': 'hidden-4' },
    });
    expect(request?.headers['x-own']).toBeUndefined();
    expect(request?.headers['x-medic-event']).toBe('test');
    expect(request?.headers['x-medic-signature']).toMatch(/^sha256=[0-9a-f]{64}$/);
    const lines = JSON.stringify(medic.lines);
    expect(lines).not.toMatch(/hidden/);
    const audited = await medic.db.query(sql`select details::text from medic.audit_entries`);
    expect(JSON.stringify(audited.rows)).not.toMatch(/hidden/);
  });

  test('whose mask stands for nothing is refused', async () => {
    const { service_id } = await registered(medic);
    const masked = { type: 'pagerduty', config: { service_key: '***' } };
    expectFailure(await add(service_id, masked), 400, 'config.service_key');
    const { target_id } = await added(service_id, SLACK);
    expectFailure(await medic.call('PATCH', path(service_id, target_id), masked), 400, 'config.service_key');
    const web = { type: 'webhook', config: { url: hook.url, headers: { 'X-A': '***' } } };
    expectFailure(await add(service_id, web), 400, 'config.headers.X-A');
  });

  test('is audited with the names of what changed', async () => {
    const { service_id } = await registered(medic);
    const { target_id } = await added(service_id, SLACK);
    const one = path(service_id, target_id);
    await medic.call('PATCH', one, { enabled: false, priority: 0, config: { channel_id: 'C-TWO' } });
    await medic.call('PATCH', one, { enabled: false, config: { channel_id: 'C-TWO' } });
    await medic.call('DELETE', one);
    const { rows } = await medic.db.query(sql`
      select actor, details from medic.audit_entries
      where service_id = ${service_id} and details ->> 'entity' = 'target' order by log_id`);
    const entry = { entity: 'target', entity_id: target_id };
    expect(rows).toEqual([
      { actor: 'admin', details: { ...entry, action: 'create', changed_fields: expect.any(Array) } },
      { actor: 'admin', details: { ...entry, action: 'update', changed_fields: ['enabled', 'config'] } },
      { actor: 'admin', details: { ...entry, action: 'delete', changed_fields: [] } },
    ]);
  });
});

describe('what cannot be a target', () => {
  const long = 'x'.repeat(300);
  test.each<[string, unknown, string]>([
    ['no type', { config: {} }, 'type'],
    ['no config', { type: 'slack' }, 'config'],
    ['another type', { type: 'pigeon', config: {} }, 'type'],
    ['a config that is a list', { type: 'slack', config: [] }, 'config'],
    ['null', { type: 'slack', config: null }, 'config'],
    ['no channel', { type: 'slack', config: {} }, 'config.channel_id'],
    ['an empty channel', { type: 'slack', config: { channel_id: '' } }, 'config.channel_id'],
    ['a channel that is a number', { type: 'slack', config: { channel_id: 5 } }, 'config.channel_id'],
    ['a channel with NUL', { type: 'slack', config: { channel_id: 'C\0' } }, 'config.channel_id'],
    ['a channel that is too long', { type: 'slack', config: { channel_id: long } }, 'config.channel_id'],
    ['an unknown member', { type: 'slack', config: { channel_id: 'C', token: 't' } }, 'config.token'],
    ['no key', { type: 'pagerduty', config: {} }, 'config.service_key'],
    ['a key that is null', { type: 'pagerduty', config: { service_key: null } }, 'config.service_key'],
    ['no URL', { type: 'webhook', config: {} }, 'config.url'],
    [
      'headers that are a list',
      { type: 'webhook', config: { url: 'http://a.example', headers: ['x'] } },
      'config.headers',
    ],
    ['a priority that is a text', { ...SLACK, priority: '1' }, 'priority'],
    ['a huge priority', { ...SLACK, priority: 1e12 }, 'priority'],
    ['half a priority', { ...SLACK, priority: 0.5 }, 'priority'],
    ['enabled as a number', { ...SLACK, enabled: 1 }, 'enabled'],
    ['another period', { ...SLACK, period: 'sometimes' }, 'period'],
    ['an unknown member of its own', { ...SLACK, target_id: 5 }, 'target_id'],
  ])('%s', async (_case, body, member) => {
    const { service_id } = await registered(medic);
    expectFailure(await add(service_id, body), 400, member);
    expect(resultsOf(await medic.call('GET', path(service_id))).total_count).toBe(0);
  });

  test.each([
    'http://10.0.0.1/',
    'http://metadata.google.internal/',
    'ftp://a.example/',
    'http://u:p@a.example/',
    'nonsense',
    'http://169.254.169.254/',
  ])('a webhook at %s', async (url) => {
    const { service_id } = await registered(medic);
    const answer = await add(service_id, { type: 'webhook', config: { url } });
    expectFailure(answer, 400);
    expect(answer.body.message).toBe('Invalid webhook URL');
  });

  test.each<[string, string]>([
    ['Host', 'x'],
    ['content-length', '5'],
    ['Transfer-Encoding', 'chunked'],
    ['CONNECTION', 'close'],
    ['X-Medic-Event', 'x'],
    ['x-medic-anything', 'x'],
    ['X Y', 'x'],
    ['X:Y', 'x'],
    ['X-A', 'a\r\nX-Injected: 1'],
    ['X-A', 'a\nb'],
    ['X-A\r\nX-B', 'x'],
    ['', 'x'],
    ['X-A', 'x'.repeat(5000)],
    ['X-A', 'snow ☃'],
  ])('a webhook with the header %j: %j', async (name, value) => {
    const { service_id } = await registered(medic);
    const config = { url: hook.url, headers: { [name]: value } };
    expectFailure(await add(service_id, { type: 'webhook', config }), 400, 'config.headers');
    expectFailure(await medic.call('POST', '/v2/webhooks', config), 400, 'headers');
  });

  test('more than a hundred of them, also when they come at once', async () => {
    const { service_id } = await registered(medic);
    for (let index = 0; index < 95; index += 1) await added(service_id, SLACK);
    const answers = await Promise.all(Array.from({ length: 12 }, () => add(service_id, SLACK)));
    expect(answers.map(({ status }) => status).sort()).toEqual([
      ...Array(5).fill(201),
      ...Array(7).fill(409),
    ]);
    expect(resultsOf(await medic.call('GET', path(service_id))).total_count).toBe(100);
  });
});

test('of changes at the same time none is lost, and none mixes two configurations', async () => {
  const { service_id } = await registered(medic);
  const config = { url: `${hook.url}/a`, headers: { 'X-A': 'value-a' }, secret: 'secret-a' };
  const { target_id } = await added(service_id, { type: 'webhook', config });
  const one = path(service_id, target_id);
  const changes = [
    ...Array.from({ length: 5 }, (_, n) => ({
      config: { url: `${hook.url}/${n}`, headers: { 'X-A': `value-${n}` }, secret: '***' },
    })),
    { priority: 7 },
    { enabled: false },
    { period: 'after_hours' },
  ];
  const answers = await Promise.all(changes.map((change) => medic.call('PATCH', one, change)));
  const statuses = answers.map(({ status }) => status);
  expect(statuses.slice(5)).toEqual([200, 200, 200]);
  for (const status of statuses.slice(0, 5)) expect([200, 409]).toContain(status);
  expect(statuses.slice(0, 5)).toContain(200);
  const after = resultsOf(await medic.call('GET', one));
  expect(after).toMatchObject({ priority: 7, enabled: false, period: 'after_hours' });
  hook.received.length = 0;
  await medic.call('POST', `${one}/test`);
  const [request] = hook.received;
  expect(request?.path).toBe(`/${String(request?.headers['x-a']).slice('value-'.length)}`);
});

test('credentials of targets and webhooks are sealed anew by a rotation, and those in clear too', async () => {
  const { service_id } = await registered(medic);
  const { target_id } = await added(service_id, {
    type: 'pagerduty',
    config: { service_key: 'rotated-key' },
  });
  const fields = { url: hook.url, secret: 'rotated-secret', service_id };
  const { webhook_id } = resultsOf(await medic.call('POST', '/v2/webhooks', fields), 201);
  await medic.db.query(sql`
    update medic.webhooks set address = address || '{"credentials":"{\\"secret\\":\\"rotated-secret\\"}"}'
    where webhook_id = ${webhook_id}`);
  const next = new Vault({ current: Buffer.alloc(32, 8), previous: Buffer.from(KEY, 'base64') });
  for (const place of [sealedTargets, sealedWebhooks]) {
    const first = await rotate(medic.db, next, place);
    expect(first.resealed).toBeGreaterThan(0);
    expect(first.left).toBe(0);
    expect(await rotate(medic.db, next, place)).toMatchObject({ resealed: 0, left: 0 });
  }
  const opened = async (channel: string, row: Promise<{ destination: string; address: object }>) => {
    const { destination, address } = await row;
    return openAddress(next, { channel, destination, address: { ...address } });
  };
  expect(await opened('pagerduty', findTarget(medic.parts.context, service_id, target_id))).toEqual({
    service_key: 'rotated-key',
  });
  expect(await opened('webhook', findWebhook(medic.parts.context, webhook_id))).toEqual({
    url: hook.url,
    secret: 'rotated-secret',
  });
  // With the old key alone they do not open: a change that keeps them says so, any other is made.
  const one = path(service_id, target_id);
  const kept = await medic.call('PATCH', one, { config: { service_key: '***' } });
  expectFailure(kept, 503, 'credentials');
  expect((await medic.call('PATCH', one, { enabled: false })).status).toBe(200);
  for (const place of [sealedTargets, sealedWebhooks]) {
    const back = new Vault({ current: Buffer.from(KEY, 'base64'), previous: Buffer.alloc(32, 8) });
    expect(await rotate(medic.db, back, place)).toMatchObject({ left: 0 });
  }
});

describe('a test message', () => {
  test('goes to Slack and PagerDuty once, and its failure is told without credentials', async () => {
    const { service_id } = await registered(medic);
    const slack = await added(service_id, SLACK);
    const pager = await added(service_id, { type: 'pagerduty', config: { service_key: 'the-service-key' } });
    const before = [medic.slack.messages.length, medic.pagerDuty.events.length];
    const run = async (id: number) => resultsOf(await medic.call('POST', path(service_id, id, 'test'), {}));
    expect(await run(slack.target_id)).toMatchObject({
      target_type: 'slack',
      success: true,
      error_message: null,
    });
    expect(await run(pager.target_id)).toMatchObject({ target_type: 'pagerduty', success: true });
    expect(medic.slack.messages.length).toBe((before[0] ?? 0) + 1);
    expect(medic.slack.messages.at(-1)).toMatchObject({ channel: 'C-ONE' });
    expect(medic.pagerDuty.events.at(-1)).toMatchObject({ routing_key: 'the-service-key' });
    medic.pagerDuty.answer = ({ body }) => ({ status: 500, body });
    const failed = await run(pager.target_id);
    medic.pagerDuty.answer = () => ({ status: 202, body: '{}' });
    expect(failed).toMatchObject({ success: false, error_message: expect.stringContaining('500') });
    expect(JSON.stringify(failed)).not.toContain('the-service-key');
    const rows = await medic.db.query(sql`
      select from medic.notifications join medic.alerts using (alert_id) where service_id = ${service_id}`);
    expect(rows.rowCount).toBe(0);
  });
});
