import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createApi } from '../src/api.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;
let url: string;

beforeEach(async () => {
  medic = await startTestMedic();
  const { body } = await medic.call('POST', '/v2/services', {
    heartbeat_name: 'backup',
    service_name: 'Backup',
    alert_interval: 5,
  });
  expect(body.results.ping_url).toBe(`https://medic.example.com/ping/${body.results.ping_key}`);
  url = `${medic.url}/ping/${body.results.ping_key}`;
});
afterEach(() => medic.close());

async function ping(suffix = '', init: RequestInit = {}): Promise<[number, string]> {
  const response = await fetch(url + suffix, init);
  expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(response.headers.get('cache-control')).toBe('no-store');
  return [response.status, await response.text()];
}

async function events(): Promise<
  { status: string; message: string | null; run_id: string | null; source: string }[]
> {
  return (await medic.call('GET', '/v2/services/1/heartbeats')).body.results.entries;
}

test.each([
  ['', 'UP', null],
  ['/start', 'STARTED', null],
  ['/complete', 'COMPLETED', null],
  ['/fail', 'FAILED', null],
  ['/0', 'COMPLETED', 'exit code 0'],
  ['/3', 'FAILED', 'exit code 3'],
  ['/255', 'FAILED', 'exit code 255'],
])('GET /ping/{key}%s records %s', async (suffix, status, message) => {
  expect(await ping(suffix)).toEqual([200, 'OK']);
  expect(await events()).toMatchObject([{ status, message, source: 'ping' }]);
});

test('GET, HEAD and POST are equal', async () => {
  expect(await ping('', { method: 'POST' })).toEqual([200, 'OK']);
  expect(await ping('', { method: 'HEAD' })).toEqual([200, '']);
  expect(await ping('/', { method: 'GET' })).toEqual([200, 'OK']);
  expect(await events()).toHaveLength(3);
});

test('the body of a POST is kept as message behind the exit code, whatever its type', async () => {
  const body = Buffer.concat([Buffer.from('disk \0full '), Buffer.from([0xff, 0xfe]), Buffer.from(' ✓')]);
  await ping('/2', { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  expect(await events()).toMatchObject([{ message: 'exit code 2\ndisk full �� ✓' }]);
});

test('of a long body the first 10 240 bytes are kept, cut at a character, and the rest is no error', async () => {
  const body = Buffer.from(`x${'✓'.repeat(4_000_000)}`);
  expect(await ping('/fail', { method: 'POST', body })).toEqual([200, 'OK']);
  const [event] = await events();
  expect(event?.message).toBe(`x${'✓'.repeat(3413)}`);
});

test('a body in gzip is kept as the text that it holds, and what is none harms no ping', async () => {
  const headers = { 'content-encoding': 'gzip' };
  const zipped = (text: string | Buffer) => ({ method: 'POST', headers, body: gzipSync(text) });
  expect(await ping('', zipped('disk full ✓'))).toEqual([200, 'OK']);
  expect(await ping('', zipped(`x${'✓'.repeat(4_000_000)}`))).toEqual([200, 'OK']);
  // Hardly to be compressed, so that the cut is in the midst of the zipped bytes.
  const random = randomBytes(40_000).toString('hex');
  expect(await ping('', zipped(random))).toEqual([200, 'OK']);
  expect(await ping('/3', { method: 'POST', headers, body: 'no gzip at all' })).toEqual([200, 'OK']);
  expect((await events()).map(({ message }) => message).reverse()).toEqual([
    'disk full ✓',
    `x${'✓'.repeat(3413)}`,
    random.slice(0, 10_240),
    'exit code 3',
  ]);
});

test('a run id gives run tracking', async () => {
  await ping('/start?run_id=r1');
  medic.clock.advance(4_000);
  await ping('/0?run_id=r1');
  const { body } = await medic.call('GET', '/v2/services/1/runs');
  expect(body.results.entries).toMatchObject([{ run_id: 'r1', status: 'COMPLETED', duration_ms: 4_000 }]);
});

test.each(['/256', '/-1', '/00', '/007', '/1e1', '/stop', '/__proto__', '/start%20'])(
  'the suffix %s is not found, and nothing is stored',
  async (suffix) => {
    expect(await ping(suffix)).toEqual([404, 'not found']);
    expect(await events()).toEqual([]);
  },
);

test('keys that are malformed or unknown are not found', async () => {
  for (const key of ['x', '%00', '0'.repeat(8000), '00000000-0000-4000-8000-000000000000', "' or 1=1"]) {
    const response = await fetch(`${medic.url}/ping/${key}`);
    expect([response.status, await response.text()]).toEqual([404, 'not found']);
  }
});

test.each(['', 'r'.repeat(256)])('a run id that is empty or too long is refused', async (runId) => {
  expect((await ping(`/start?run_id=${runId}`))[0]).toBe(400);
  expect((await ping('/start?run_id=a&run_id=b'))[0]).toBe(400);
  expect(await events()).toEqual([]);
});

test('an inactive service says so', async () => {
  await medic.call('PATCH', '/v2/services/1', { active: false });
  expect(await ping()).toEqual([400, 'service is inactive']);
});

test('a new ping key makes the old one unknown', async () => {
  const { status, body } = await medic.call('POST', '/v2/services/1/ping-key/rotate', {});
  expect(status).toBe(200);
  expect(await ping()).toEqual([404, 'not found']);
  expect((await fetch(`${medic.url}/ping/${body.results.ping_key}`)).status).toBe(200);
});

test('pings and heartbeats of one service in one batch are told apart and all kept', async () => {
  const answers = await Promise.all([
    ...Array.from({ length: 50 }, () => fetch(url)),
    ...Array.from({ length: 50 }, () =>
      medic.fetch('/heartbeat', { method: 'POST', body: '{"heartbeat_name":"BACKUP","status":"UP"}' }),
    ),
    ...Array.from({ length: 50 }, () => fetch(`${medic.url}/ping/00000000-0000-4000-8000-000000000000`)),
  ]);
  const codes = answers.map(({ status }) => status);
  expect([200, 201, 404].map((code) => codes.filter((one) => one === code).length)).toEqual([50, 50, 50]);
  expect((await medic.call('GET', '/v2/services/1/heartbeats')).body.results.total_count).toBe(100);
});

test('before the schema is current a ping is asked to try again, in plain text', async () => {
  const app = await createApi(medic.another(), { migrated: false, stopping: false, workerAlive: () => true });
  const answer = await app.inject({ method: 'GET', url: url.slice(medic.url.length) });
  expect([answer.statusCode, answer.body]).toEqual([503, 'try again']);
  expect(answer.headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'retry-after': '5' });
  await app.close();
});

test('the ping key is never logged', async () => {
  await ping('/fail', { method: 'POST', body: 'x' });
  await ping('/unknown');
  expect(JSON.stringify(medic.lines)).not.toContain(url.slice(url.lastIndexOf('/') + 1));
});
