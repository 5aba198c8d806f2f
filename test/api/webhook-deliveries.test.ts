import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createWebhook } from '../../src/features/routing/webhooks.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';
import { Receiver } from '../harness/receivers.ts';

let medic: TestMedic;
let hook: Receiver;
let id: number;

beforeAll(async () => {
  medic = await startTestMedic({
    MEDIC_ALLOWED_WEBHOOK_CIDRS: '127.0.0.0/8',
    MEDIC_SECRETS_KEY: Buffer.alloc(32, 1).toString('base64'),
  });
  hook = new Receiver(() => ({ status: 204, body: '' }));
  await hook.listen();
  const fields = { heartbeat_name: 'backup', service_name: 'Backup', alert_interval_seconds: 604_800 };
  await medic.call('POST', '/v2/services', fields);
  const input = { url: `${hook.url}/hook`, secret: 'geheim-1234', headers: { 'X-Key': 'key-1234' } };
  id = (await createWebhook(medic.parts.context, input, 'test')).webhook_id;
});
beforeEach(() => {
  hook.received.length = 0;
  hook.answer = () => ({ status: 204, body: '' });
});
afterAll(async () => {
  await hook.close();
  await medic.close();
});

const testIt = (webhook: number | string = id) => medic.call('POST', `/v2/webhooks/${webhook}/test`);
const deliveries = (query = '') => medic.call('GET', `/v2/webhooks/${id}/deliveries${query}`);

test('a test sends the event "test" once, signed and with the headers of the webhook, and tells what came of it', async () => {
  const { status, body } = await testIt();
  expect([status, body.results]).toEqual([200, { success: true, response_code: 204, error_message: null }]);
  const [request] = hook.received;
  expect(request?.headers).toMatchObject({
    'x-medic-event': 'test',
    'x-medic-attempt': '1',
    'x-key': 'key-1234',
    'x-medic-signature': `sha256=${createHmac('sha256', 'geheim-1234')
      .update(request?.body ?? '')
      .digest('hex')}`,
  });
  expect(JSON.parse(request?.body ?? '')).toEqual({
    event: 'test',
    delivery_id: request?.headers['x-medic-delivery'],
    occurred_at: medic.clock.now().toISOString(),
    alert: null,
    service: null,
  });
});

test('a test that fails is not repeated and says why, without a credential', async () => {
  hook.answer = ({ headers }) => ({ status: 500, body: JSON.stringify(headers) });
  const { body } = await testIt();
  expect(body.results).toEqual({ success: false, response_code: 500, error_message: 'answered 500' });
  await medic.advance('10m');
  expect(hook.received).toHaveLength(1);
  expect((await deliveries()).body.results.entries).toEqual([]);
});

test('what is no webhook is not found', async () => {
  for (const one of ['999', 'x', '-1', '99999999999999999999', '1.5']) {
    expect((await testIt(one)).status).toBe(404);
    expect((await medic.call('GET', `/v2/webhooks/${one}/deliveries`)).status).toBe(404);
  }
});

test('its deliveries are listed newest first, by status and page, and say when the destination refuses them', async () => {
  hook.answer = () => ({ status: 410, body: 'gone' });
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'backup', status: 'DOWN' });
  await medic.settle();
  await medic.advance('1m');
  hook.answer = () => ({ status: 200, body: 'x'.repeat(5000) });
  expect((await deliveries()).body.results.entries).toMatchObject([
    { event: 'opened', status: 'failed', attempts: 4, response_code: 410, response_body: 'gone' },
  ]);
  const { entries } = (await deliveries()).body.results;
  expect(entries[0].destination_failing_since).toMatch(/^2040-/);
  expect(entries[0].destination).toBe(new URL(hook.url).host);
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'backup', status: 'UP' });
  await medic.settle();
  const all = (await deliveries()).body.results;
  expect(all.entries.map(({ event }: { event: string }) => event)).toEqual(['recovered', 'opened']);
  expect(all).toMatchObject({ total_count: 2, limit: 50, offset: 0, has_more: false });
  expect(all.entries[0].response_body).toBe(`${'x'.repeat(4096)}[truncated]`);
  expect(all.entries[0].destination_failing_since).toBe(null);
  const failed = (await deliveries('?status=FAILED')).body.results;
  expect(failed.entries.map(({ event }: { event: string }) => event)).toEqual(['opened']);
  expect((await deliveries('?limit=1&offset=1')).body.results).toMatchObject({
    entries: [{ event: 'opened' }],
    total_count: 2,
  });
  const wrong = await deliveries('?status=lost');
  expect([wrong.status, wrong.body.message]).toEqual([400, expect.stringContaining('status')]);
});
