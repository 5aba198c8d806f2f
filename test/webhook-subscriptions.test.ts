import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../src/platform/db.ts';
import { expectFailure, registered, resultsOf } from './harness/expectations.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { Receiver } from './harness/receivers.ts';

let medic: TestMedic;
let hook: Receiver;
beforeAll(async () => {
  hook = new Receiver(() => ({ status: 204, body: '' }));
  await hook.listen();
  medic = await startTestMedic({ MEDIC_ALLOWED_WEBHOOK_CIDRS: '127.0.0.0/8' });
});
afterAll(async () => {
  await medic.close();
  await hook.close();
});

const create = (body: unknown) => medic.call('POST', '/v2/webhooks', body);
const created = async (body: unknown) => resultsOf(await create(body), 201);

test('a webhook has defaults, is found, changed member by member, and removed', async () => {
  const webhook = await created({ url: `${hook.url}/a` });
  expect(webhook).toEqual({
    webhook_id: expect.any(Number),
    service_id: null,
    url: `${hook.url}/a`,
    headers: {},
    secret: null,
    enabled: true,
  });
  const one = `/v2/webhooks/${webhook.webhook_id}`;
  const { service_id } = await registered(medic);
  expect(resultsOf(await medic.call('GET', one))).toEqual(webhook);
  expect(resultsOf(await medic.call('PATCH', one, {}))).toEqual(webhook);
  const first = { headers: { 'X-A': 'hidden-a', 'X-B': 'hidden-b' }, secret: 'hidden-c' };
  const masked = { headers: { 'X-A': '***', 'X-B': '***' }, secret: '***' };
  expect(resultsOf(await medic.call('PATCH', one, first))).toEqual({ ...webhook, ...masked });
  expect(resultsOf(await medic.call('PATCH', one, { service_id, enabled: false }))).toEqual({
    ...webhook,
    ...masked,
    service_id,
    enabled: false,
  });
  const some = { headers: { 'x-a': '***', 'X-C': 'hidden-d' }, service_id: null };
  expect(resultsOf(await medic.call('PATCH', one, some))).toMatchObject({
    headers: { 'x-a': '***', 'X-C': '***' },
    secret: '***',
    service_id: null,
  });
  expect(resultsOf(await medic.call('PATCH', one, { headers: null, secret: null }))).toMatchObject({
    headers: {},
    secret: null,
  });
  expect(JSON.stringify(medic.lines)).not.toMatch(/hidden/);
  const audit = await medic.db.query<{ fields: string[] }>(sql`
    select details -> 'changed_fields' as fields from medic.audit_entries
    where details ->> 'entity' = 'webhook' order by log_id`);
  expect(audit.rows.map(({ fields }) => fields)).toEqual([
    ['url'],
    ['headers', 'secret'],
    ['service_id', 'enabled'],
    ['service_id', 'headers'],
    ['headers', 'secret'],
  ]);
  expect(resultsOf(await medic.call('DELETE', one))).toBe('');
  for (const [method, body] of [['GET'], ['PATCH', {}], ['DELETE']] as const) {
    expectFailure(await medic.call(method, one, body), 404, 'Webhook');
  }
});

test('webhooks are listed newest first, and of a service only its own', async () => {
  const { service_id } = await registered(medic);
  const ids: number[] = [];
  for (const owner of [service_id, null, service_id]) {
    ids.push((await created({ url: hook.url, service_id: owner })).webhook_id);
  }
  const list = async (query: string) =>
    resultsOf(await medic.call('GET', `/v2/webhooks${query}`)).entries.map(
      (entry: { webhook_id: number }) => entry.webhook_id,
    );
  expect((await list('?limit=3')).slice(0, 3)).toEqual(ids.toReversed());
  expect(await list(`?service_id=${service_id}`)).toEqual([ids[2], ids[0]]);
  expectFailure(await medic.call('GET', '/v2/webhooks?service_id=x'), 400, 'service_id');
  expectFailure(await medic.call('GET', '/v2/webhooks?enabled=true'), 400, 'enabled');
  await medic.call('DELETE', `/v2/services/${service_id}`);
  expect(await list(`?service_id=${service_id}`)).toEqual([]);
  expect(await list('')).toContain(ids[1]);
});

test.each<[unknown, string]>([
  [{}, 'url'],
  [{ url: 5 }, 'url'],
  [{ url: '' }, 'url'],
  [{ url: null }, 'url'],
  [{ url: `http://a.example/${'x'.repeat(3000)}` }, 'url'],
  [{ url: 'http://a.example/\0' }, 'url'],
  [{ url: 'http://a.example', headers: [] }, 'headers'],
  [{ url: 'http://a.example', headers: 'X-A: b' }, 'headers'],
  [{ url: 'http://a.example', headers: { 'X-A': 5 } }, 'headers'],
  [{ url: 'http://a.example', headers: { 'X-A': '***' } }, 'headers.X-A'],
  [{ url: 'http://a.example', secret: '***' }, 'secret'],
  [{ url: 'http://a.example', secret: '' }, 'secret'],
  [{ url: 'http://a.example', secret: 5 }, 'secret'],
  [{ url: 'http://a.example', service_id: 'all' }, 'service_id'],
  [{ url: 'http://a.example', service_id: -1 }, 'service_id'],
  [{ url: 'http://8.8.8.8', service_id: 999_999 }, 'service_id'],
  [{ url: 'http://a.example', enabled: 'yes' }, 'enabled'],
  [{ url: 'http://a.example', method: 'GET' }, 'method'],
  [{ url: 'http://10.1.2.3/' }, 'Invalid webhook URL'],
])('%j is refused', async (body, word) => {
  expectFailure(await create(body), 400, word);
});

test('more headers than anyone needs are refused', async () => {
  const headers = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`X-${n}`, 'x']));
  expectFailure(await create({ url: 'http://8.8.8.8', headers }), 400, 'headers');
});

test('there are at most fifty webhooks of a service, also when they come at once', async () => {
  const { service_id } = await registered(medic);
  const answers = await Promise.all(Array.from({ length: 55 }, () => create({ url: hook.url, service_id })));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(50);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(5);
  const { webhook_id } = await created({ url: hook.url });
  expectFailure(await medic.call('PATCH', `/v2/webhooks/${webhook_id}`, { service_id }), 409, '50');
});

test('changes that move a webhook at the same moment wait for each other, and services are deleted meanwhile', async () => {
  const services = await Promise.all(Array.from({ length: 6 }, () => registered(medic)));
  const ids = services.map(({ service_id }) => service_id).sort((a, b) => b - a);
  const [kept, ...rest] = ids;
  const { webhook_id } = await created({ url: hook.url, service_id: kept });
  const move = (body: object) => medic.call('PATCH', `/v2/webhooks/${webhook_id}`, body);
  const answers = await Promise.all([
    ...Array.from({ length: 3 }, (_, n) => [
      move({ service_id: null }),
      move({ service_id: kept }),
      move({ enabled: n === 1 }),
      create({ url: hook.url, service_id: rest[n] }),
      create({ url: hook.url }),
    ]).flat(),
    medic.call('POST', '/v2/services/bulk', { service_ids: rest, action: 'delete' }),
  ]);
  expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
  expect(answers.at(-1)?.status).toBe(200);
});

test('a webhook whose host cannot be resolved any more can still be changed and disabled', async () => {
  const { webhook_id } = await created({ url: hook.url });
  await medic.db.query(sql`
    update medic.webhooks set config = config || '{"url":"http://gone.invalid/"}',
      address = address || '{"url":"http://gone.invalid/"}' where webhook_id = ${webhook_id}`);
  const one = `/v2/webhooks/${webhook_id}`;
  expect(resultsOf(await medic.call('PATCH', one, { enabled: false }))).toMatchObject({ enabled: false });
  expect(resultsOf(await medic.call('PATCH', one, { headers: { 'X-A': 'b' } }))).toMatchObject({
    headers: { 'X-A': '***' },
  });
  expectFailure(await medic.call('PATCH', one, { url: 'http://other.invalid/' }), 400, 'Invalid webhook URL');
});
