import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectFailure, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';
import { type RawAnswer, request } from '../harness/socket.ts';

let medic: TestMedic;
let path: string;
beforeAll(async () => {
  medic = await startTestMedic();
  path = `/v2/services/${(await registered(medic)).service_id}`;
});
afterAll(() => medic.close());

const send = (method: string, target: string, headers: string[] = [], body: string | Buffer = '') =>
  request(medic.url, method, target, headers, body);

function failure(answer: RawAnswer, status: number): string {
  expect(answer.status, answer.body).toBe(status);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  const body = JSON.parse(answer.body);
  expect(body).toMatchObject({ success: false, message: expect.any(String), results: '' });
  expect(body.message).not.toBe('');
  return body.message;
}

test('an unknown path is 404 in the envelope, whatever the method', async () => {
  for (const method of ['GET', 'POST', 'PATCH', 'DELETE', 'PUT', 'OPTIONS', 'PROPFIND']) {
    for (const target of [
      '/nowhere',
      '/v2',
      '/v2/',
      '/v2/service',
      '/v1/services',
      '/v3/services',
      '/Service',
    ]) {
      failure(await send(method, target), 404);
    }
  }
});

test.each([
  ['/heartbeat', 'GET, HEAD, POST', 'DELETE'],
  ['/v1/heartbeat', 'GET, HEAD, POST', 'PUT'],
  ['/service', 'GET, HEAD, POST', 'PATCH'],
  ['/service/x', 'GET, HEAD, POST', 'DELETE'],
  ['/alerts', 'GET, HEAD', 'POST'],
  ['/v2/services', 'GET, HEAD, POST', 'DELETE'],
  ['/v2/services/1', 'DELETE, GET, HEAD, PATCH', 'POST'],
  ['/v2/services/1/mute', 'POST', 'GET'],
  ['/v2/services/1/unmute', 'POST', 'HEAD'],
  ['/v2/alerts', 'GET, HEAD', 'POST'],
  ['/v2/alerts/1', 'GET, HEAD', 'DELETE'],
  ['/v2/alerts/1/acknowledge', 'POST', 'GET'],
  ['/health', 'GET, HEAD', 'POST'],
  ['/metrics', 'GET, HEAD', 'POST'],
  ['/docs/openapi.json', 'GET, HEAD', 'POST'],
  ['/v1/healthcheck/network', 'GET, HEAD', 'POST'],
])('%s allows %s and refuses every other method', async (target, allow, other) => {
  for (const method of [other, 'PUT', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'LINK', 'PURGE', 'M-SEARCH']) {
    const answer = await send(method, target);
    expect(answer.status, method).toBe(405);
    expect(answer.headers.allow).toBe(allow);
    if (method !== 'HEAD') failure(answer, 405);
  }
  failure(await send('PUT', target, ['Content-Length: 9'], 'not JSON!'), 405);
});

test('HEAD works wherever GET does: the same headers and no body', async () => {
  for (const target of [
    '/heartbeat',
    '/service',
    '/alerts',
    '/v2/services',
    path,
    '/v2/alerts',
    '/health',
    '/metrics',
  ]) {
    const [get, head] = [await send('GET', target), await send('HEAD', target)];
    expect(head.status, target).toBe(get.status);
    expect(head.headers['content-type']).toBe(get.headers['content-type']);
    expect(head.body).toBe('');
  }
  expect((await send('HEAD', '/v2/services/999999')).status).toBe(404);
  expect((await send('HEAD', '/v2/services?active=2')).status).toBe(400);
});

test('a trailing slash is ignored', async () => {
  for (const target of [
    '/heartbeat/',
    '/service/',
    '/alerts/',
    '/v2/services/',
    `${path}/`,
    '/v2/alerts/?limit=1',
  ]) {
    expect((await send('GET', target)).status, target).toBe(200);
  }
  expect((await send('POST', `${path}/unmute/`)).status).toBe(200);
  expect((await send('PUT', `${path}/`)).status).toBe(405);
});

test('an empty body counts as {} where every member is optional', async () => {
  for (const [headers, body] of [
    [[], ''],
    [['Content-Length: 0'], ''],
    [['Content-Length: 0', 'Content-Type: application/json'], ''],
    [['Content-Type: application/json'], ' \r\n\t'],
    [['Transfer-Encoding: chunked'], '0\r\n\r\n'],
    [[], '\ufeff'],
  ] as const) {
    expect((await send('POST', `${path}/unmute`, [...headers], body)).status).toBe(200);
  }
});

test.each([
  'application/json',
  'application/json; charset=utf-16',
  'text/plain',
  'text/html',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/octet-stream',
  'garbage',
  '',
  ';',
  '/',
  'a/b;c',
  '\u00ff\u00fe',
  `a/${'b'.repeat(5000)}`,
])('a body is read as JSON under the Content-Type %j', async (type) => {
  const answer = await send('PATCH', path, [`Content-Type: ${type}`], '{"team": "typed"}');
  expect(answer.status, answer.body).toBe(200);
  failure(await send('PATCH', path, [`Content-Type: ${type}`], 'team=typed'), 400);
});

test('a byte order mark is ignored; other encodings are not guessed', async () => {
  expect((await send('PATCH', path, [], '\ufeff{"team": "bom"}')).status).toBe(200);
  for (const body of [
    Buffer.from('\ufeff{"team": "x"}', 'utf16le'),
    Buffer.from('{"team": "x"}', 'utf16le'),
    Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    Buffer.from('{"team": "\xc0\xaf"}', 'latin1'),
    Buffer.from('{"team": "\xed\xa0\x80"}', 'latin1'),
  ]) {
    failure(await send('PATCH', path, [], body), 400);
  }
});

const LIMIT = 1024 * 1024;
const padded = (bytes: number) => `{"team": "padded"${' '.repeat(bytes - 18)}}`;

test('a body of 1 MiB is read, one byte more is 413, announced or not', async () => {
  expect((await send('PATCH', path, [], padded(LIMIT))).status).toBe(200);
  failure(await send('PATCH', path, [], padded(LIMIT + 1)), 413);
  const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
  const header = ['Transfer-Encoding: chunked'];
  expect((await send('PATCH', path, header, chunked(padded(LIMIT)))).status).toBe(200);
  failure(await send('PATCH', path, header, chunked(padded(LIMIT + 1))), 413);
  failure(await send('PATCH', path, ['Content-Length: 99999999999']), 413);
});

test('gzip is read, and the limit holds after decompression', async () => {
  const gzip = (body: string | Buffer) => send('PATCH', path, ['Content-Encoding: gzip'], body);
  const answer = await gzip(gzipSync('{"team": "zipped"}'));
  expect(JSON.parse(answer.body).results.team).toBe('zipped');
  expect((await send('PATCH', path, ['Content-Encoding:  GZIP '], gzipSync('{}'))).status).toBe(200);
  expect((await gzip(gzipSync(padded(LIMIT)))).status).toBe(200);
  failure(await gzip(gzipSync(padded(LIMIT + 1))), 413);
  failure(await gzip(gzipSync(Buffer.alloc(200 * LIMIT))), 413);
  failure(await gzip('{"team": "not zipped"}'), 400);
  failure(await gzip(gzipSync('{"team": "cut"}').subarray(0, 20)), 400);
  failure(await gzip(gzipSync('not JSON')), 400);
  expect((await send('POST', `${path}/unmute`, ['Content-Encoding: gzip'])).status).toBe(200);
});

test('another Content-Encoding is 415', async () => {
  for (const encoding of ['br', 'deflate', 'zstd', 'gzip, gzip', 'x-gzip2', '*']) {
    failure(await send('PATCH', path, [`Content-Encoding: ${encoding}`], '{}'), 415);
  }
  expect((await send('PATCH', path, ['Content-Encoding: Identity'], '{}')).status).toBe(200);
});

test('a body may nest 32 levels and no more, in strings any number', async () => {
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  const fine = failure(await send('PATCH', path, [], `{"team": ${nested(31)}}`), 400);
  expect(fine).toContain('team');
  expect(failure(await send('PATCH', path, [], `{"team": ${nested(32)}}`), 400)).toContain('32');
  expect((await send('PATCH', path, [], `{"team": "${'['.repeat(90)}"}`)).status).toBe(200);
  failure(await send('PATCH', path, [], '['.repeat(LIMIT)), 400);
});

test('a request id that is harmless is kept, any other is replaced', async () => {
  const idFor = async (id: string) =>
    (await send('GET', '/health', [`X-Request-Id: ${id}`])).headers['x-request-id'];
  for (const id of ['a', 'A-1._z', 'x'.repeat(128)]) expect(await idFor(id)).toBe(id);
  for (const id of ['', 'a b', 'x'.repeat(129), 'a/b', '<script>', 'é']) {
    expect(await idFor(id)).toMatch(/^[0-9a-f-]{36}$/);
  }
  for (const answer of [
    await send('GET', '/nowhere'),
    await send('PATCH', path, ['Content-Encoding: br'], '{}'),
  ]) {
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  }
});

test('a success has the three members of the envelope and nothing else', async () => {
  for (const target of ['/heartbeat', '/service', '/alerts', '/v2/services', path, '/v2/alerts']) {
    resultsOf(await medic.call('GET', target));
  }
  expect((await send('GET', '/v1/healthcheck/network')).status).toBe(204);
});

test('failures list each offending member once, at its path', async () => {
  const answer = await medic.call('PATCH', path, { team: 5, threshold: '1', colour: 1, priority: 'x' });
  expectFailure(answer, 400, 'team', 'threshold', 'colour', 'priority');
  expect(answer.body.errors.map(({ path: member }: { path: string }) => member).sort()).toEqual([
    'colour',
    'priority',
    'team',
    'threshold',
  ]);
});
