import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MedicClient, MedicError } from '../client/src/index.ts';
import { ADMIN_KEY } from './harness/admin.ts';
import { FakeMedic } from './harness/fake-medic.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import type { Answer } from './harness/receivers.ts';

let medic: TestMedic;
let client: MedicClient;

beforeEach(async () => {
  medic = await startTestMedic();
  client = new MedicClient({ baseUrl: `${medic.url}/`, apiKey: ADMIN_KEY });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await medic.close();
});

const CHECKOUT = { heartbeat_name: 'checkout', service_name: 'Shop', alert_interval: 5 };

/** What a client throws. */
async function failure(request: Promise<unknown>): Promise<MedicError> {
  const error = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MedicError);
  return error as MedicError;
}

/** A server that answers always the same. */
async function badServer(answer: Answer): Promise<FakeMedic> {
  const server = new FakeMedic();
  server.trouble = () => answer;
  await server.listen();
  return server;
}

test('a service is registered once, its heartbeats are sent and read', async () => {
  const registered = await client.registerService({ ...CHECKOUT, environment: 'prod', team: undefined });
  expect(registered.results).toMatchObject({ heartbeat_name: 'prod-checkout', active: 1 });
  const again = await client.registerService({ ...CHECKOUT, environment: 'prod' });
  expect(again.message).toContain('already registered');

  const sent = await client.sendHeartbeat({
    heartbeat_name: 'prod-checkout',
    status: 'COMPLETED',
    service_name: undefined,
    run_id: 'r-1',
  });
  expect(sent).toMatchObject({ success: true, results: '' });
  await client.sendHeartbeat({ heartbeat_name: 'prod-checkout', status: 'UP', service_name: 'Shop' });
  expect(await client.beat('prod-checkout', 'DEGRADED')).toBe(true);

  const { results } = await client.getHeartbeats({ heartbeat_name: 'PROD-checkout', maxCount: 2 });
  expect(results.map(({ status }) => status)).toEqual(['DEGRADED', 'UP']);
  expect((await client.getHeartbeats()).results.map(({ run_id }) => run_id)).toEqual([null, null, 'r-1']);
  expect((await client.getHeartbeats({ service_name: 'Nothing' })).results).toEqual([]);
});

test('a refusal is a MedicError with the message, the status and the answer', async () => {
  const unknown = await failure(client.sendHeartbeat({ heartbeat_name: 'nobody', status: 'UP' }));
  expect(unknown).toMatchObject({ name: 'MedicError', statusCode: 404, message: 'nobody is not registered' });
  expect(unknown.response).toEqual({ success: false, message: 'nobody is not registered', results: '' });
  const invalid = await failure(client.registerService({ ...CHECKOUT, alert_interval: 0 }));
  expect(invalid.statusCode).toBe(400);
  expect(invalid.message).toContain('alert_interval');
});

test('the key and the headers are sent with every request, the environment gives the rest', async () => {
  const server = new FakeMedic();
  await server.listen();
  vi.stubEnv('MEDIC_BASE_URL', server.url);
  vi.stubEnv('MEDIC_API_KEY', 'mdk_environment');
  await new MedicClient().sendHeartbeat({ heartbeat_name: 'checkout', status: 'UP' });
  const other = new MedicClient({ apiKey: 'mdk_option', headers: { 'x-origin': 'test' } });
  await other.getHeartbeats({ maxCount: 1 });
  await server.close();

  const [first, second] = server.received;
  expect(first?.headers).toMatchObject({
    authorization: 'Bearer mdk_environment',
    'content-type': 'application/json',
  });
  expect(JSON.parse(first?.body ?? '')).toEqual({ heartbeat_name: 'checkout', status: 'UP' });
  expect(second?.headers).toMatchObject({ authorization: 'Bearer mdk_option', 'x-origin': 'test' });
  expect(second?.path).toBe('/heartbeat?maxCount=1');
});

test('job signals are one run, whose duration the server knows', async () => {
  const { results: service } = await client.registerService(CHECKOUT);
  const started = await client.jobStart(service.service_id, { run_id: 'r' });
  expect(started.results).toEqual({
    service_id: service.service_id,
    heartbeat_name: 'checkout',
    status: 'STARTED',
    run_id: 'r',
  });
  medic.clock.advance(1_500);
  const done = await client.jobComplete(service.service_id, { run_id: 'r', message: 'done' });
  expect(done.results).toMatchObject({ status: 'COMPLETED', run_id: 'r', duration_ms: 1_500 });
  expect((await client.jobFail(service.service_id)).results).toMatchObject({
    status: 'FAILED',
    run_id: null,
  });
  expect(await failure(client.jobStart(99))).toMatchObject({ statusCode: 404 });
});

test('a server that does not answer in time is status 408', async () => {
  const server = await badServer('hang');
  const impatient = new MedicClient({ baseUrl: server.url, timeout: 100 });
  const error = await failure(impatient.getHeartbeats());
  expect(error).toMatchObject({ statusCode: 408, response: undefined });
  expect(await impatient.beat('checkout')).toBe(false);
  await server.close();
});

test('an answer that is no JSON, and one that is no success, are told apart', async () => {
  const server = await badServer({ status: 502, body: '<html>' });
  const through = new MedicClient({ baseUrl: server.url });
  expect(await failure(through.getHeartbeats())).toMatchObject({ statusCode: 502, response: '<html>' });
  server.trouble = () => ({ status: 200, body: 'hello' });
  expect(await failure(through.getHeartbeats())).toMatchObject({ statusCode: 200, response: 'hello' });
  server.trouble = () => ({ status: 200, body: 'null' });
  expect(await failure(through.getHeartbeats())).toMatchObject({ statusCode: 200, response: null });
  await server.close();
});

test('no server is status 0', async () => {
  const error = await failure(new MedicClient({ baseUrl: 'http://127.0.0.1:3' }).getHeartbeats());
  expect(error).toMatchObject({ statusCode: 0, message: 'Medic cannot be reached: ECONNREFUSED' });
  expect((await failure(new MedicClient({ baseUrl: 'nonsense' }).getHeartbeats())).statusCode).toBe(0);
});

test('wrap reports start and end of a function, and gives back what it gives', async () => {
  await client.registerService(CHECKOUT);
  expect(await client.wrap('checkout', async () => 42)).toBe(42);
  const broken = new TypeError('disk full');
  await expect(client.wrap('checkout', () => Promise.reject(broken))).rejects.toBe(broken);
  await expect(
    client.wrap('checkout', () => {
      throw broken;
    }),
  ).rejects.toBe(broken);

  const { entries } = (await medic.call('GET', '/v2/alerts')).body.results;
  expect(entries[0]).toMatchObject({ reason: 'job_failed', last_message: 'TypeError: disk full' });
  const { results } = await client.getHeartbeats();
  expect(results.map(({ status }) => status)).toEqual([
    'FAILED',
    'STARTED',
    'FAILED',
    'STARTED',
    'COMPLETED',
    'STARTED',
  ]);
  expect(results[4]?.run_id).toMatch(/^[0-9a-f-]{36}$/);
  expect(results[5]?.run_id).toBe(results[4]?.run_id);
});

test('wrap does not care whether there is a server', async () => {
  const lonely = new MedicClient({ baseUrl: 'http://127.0.0.1:3' });
  expect(await lonely.wrap('checkout', () => 'fine')).toBe('fine');
  const server = await badServer('hang');
  const impatient = new MedicClient({ baseUrl: server.url, timeout: 100 });
  expect(await impatient.wrap('checkout', () => 'fine')).toBe('fine');
  await server.close();
});
