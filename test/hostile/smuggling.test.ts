import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { registered } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';
import { answersIn, exchange, request } from '../harness/socket.ts';

let medic: TestMedic;
beforeAll(async () => {
  // What is tested here happens below authentication.
  medic = await startTestMedic({ MEDIC_AUTH_MODE: 'off' });
  await registered(medic, { heartbeat_name: 'survivor' });
});
afterAll(() => medic.close());

afterEach(async () => {
  expect(medic.lines.filter((line) => line.level === 'ERROR')).toEqual([]);
});

const HOST = 'Host: medic\r\n';
const HIDDEN = '{"heartbeat_name":"survivor","status":"UP","run_id":"smuggled"}';
/** A whole request that hides behind another one. */
const SMUGGLED = `POST /heartbeat HTTP/1.1\r\n${HOST}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`;
const post = (lines: string, body: string) => `POST /heartbeat HTTP/1.1\r\n${HOST}${lines}\r\n${body}`;
const chunked = 'Transfer-Encoding: chunked\r\n';

/** Heads about whose end or body two readers could disagree. Whatever follows them must never run. */
const AMBIGUOUS: [name: string, head: string][] = [
  ['a length and chunks', post(`Content-Length: 4\r\n${chunked}`, '0\r\n\r\n')],
  ['chunks and a length', post(`${chunked}Content-Length: 5\r\n`, '0\r\n\r\n')],
  ['chunks and a length of nothing', post(`${chunked}Content-Length: 0\r\n`, '')],
  ['two lengths', post('Content-Length: 0\r\nContent-Length: 2\r\n', '{}')],
  ['the same length twice', post('Content-Length: 2\r\nContent-Length: 2\r\n', '{}')],
  ['two lengths in one line', post('Content-Length: 2, 2\r\n', '{}')],
  ['a length with a sign', post('Content-Length: +2\r\n', '{}')],
  ['a length in hexadecimal', post('Content-Length: 0x2\r\n', '{}')],
  ['a length with a fraction', post('Content-Length: 2.0\r\n', '{}')],
  ['a length with a blank inside', post('Content-Length: 2 0\r\n', '{}')],
  ['a length beyond all numbers', post(`Content-Length: ${'9'.repeat(30)}\r\n`, '{}')],
  ['no length at all', post('Content-Length:\r\n', '{}')],
  ['a length with a blank before its colon', post('Content-Length : 2\r\n', '{}')],
  ['an encoding with a blank before its colon', post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')],
  ['an encoding that only looks like chunks', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
  ['an encoding with a vertical tab', post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n')],
  ['chunks and something after them', post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n')],
  ['chunks twice', post(`${chunked}Transfer-Encoding: identity\r\n`, '0\r\n\r\n')],
  ['a folded encoding', post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n')],
  ['a folded header', post('X-Note: a\r\n b: c\r\nContent-Length: 2\r\n', '{}')],
  ['a header that begins with a blank', post(' Content-Length: 2\r\n', '{}')],
  ['a bare line feed between headers', post('X-Note: a\nContent-Length: 2\r\n', '{}')],
  ['a bare carriage return in a header', post('X-Note: a\rContent-Length: 2\r\n', '{}')],
  [
    'a bare line feed at the end of the headers',
    `POST /heartbeat HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\n{}`,
  ],
  ['a bare line feed after the request line', `POST /heartbeat HTTP/1.1\n${HOST}Content-Length: 2\r\n\r\n{}`],
  ['a NUL in a header', post('X-Note: a\0b\r\nContent-Length: 2\r\n', '{}')],
  ['a NUL in a name', post('X-No\0te: a\r\nContent-Length: 2\r\n', '{}')],
  ['a chunk size with a sign', post(chunked, '+2\r\n{}\r\n0\r\n\r\n')],
  ['a chunk size in 0x', post(chunked, '0x2\r\n{}\r\n0\r\n\r\n')],
  ['a chunk size that overflows', post(chunked, 'fffffffffffffffff2\r\n{}\r\n0\r\n\r\n')],
  ['a chunk size with a bare line feed', post(chunked, '2\n{}\r\n0\r\n\r\n')],
  ['a chunk extension with a bare line feed', post(chunked, '2;a\nb\r\n{}\r\n0\r\n\r\n')],
  ['a chunk that does not end where it says', post(chunked, '2\r\n{}X\r\n0\r\n\r\n')],
  ['a chunk of a bare line feed', post(chunked, '2\r\n{}\n0\r\n\r\n')],
];

test.each(AMBIGUOUS)('%s: refused, closed, and nothing behind it runs', async (_name, head) => {
  const { text, closed } = await exchange(medic.url, Buffer.from(head + SMUGGLED, 'latin1'));
  expect(closed, text).toBe(true);
  expect(
    answersIn(text).map(({ status }) => status),
    text,
  ).toEqual([400]);
  const { rowCount } = await medic.db.query(sql`select from medic.heartbeats where run_id = 'smuggled'`);
  expect(rowCount).toBe(0);
});

test.each([
  [
    'a request with a body that nobody asked for',
    `GET /service HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}`,
    200,
  ],
  ['a path that does not exist', `POST /nowhere HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}`, 404],
  ['a method that is not allowed', `PUT /heartbeat HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}`, 405],
  ['an encoding that is refused', post('Content-Encoding: br\r\nContent-Length: 2\r\n', '{}'), 415],
  ['chunks with extensions and trailers', post(chunked, '2;a=b\r\n{}\r\n0\r\nHost: x\r\n\r\n'), 400],
])('%s: its body is no request', async (_name, first, status) => {
  const hidden = SMUGGLED.slice(0, 40);
  const whole = first.replace('Content-Length: 2\r\n', `Content-Length: ${hidden.length}\r\n`);
  const bytes = whole === first ? first : whole.replace('{}', hidden);
  const last = `GET /v1/healthcheck/network HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;
  const { text, closed } = await exchange(medic.url, bytes + last);
  expect(closed, text).toBe(true);
  const statuses = answersIn(text).map((answer) => answer.status);
  // After a refusal before the body was read the connection may also be closed.
  expect([[status, 204], [status]], text).toContainEqual(statuses);
});

test.each(['Host', 'HOST', 'host'])('a second %s is refused', async (name) => {
  for (const target of ['/service', '/nowhere', '/v1/healthcheck/network']) {
    const answer = await request(medic.url, 'GET', target, [`${name}: medic`]);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('Host header was sent more than once');
  }
});

test.each(['Authorization', 'AUTHORIZATION'])('a second %s is refused', async (name) => {
  const lines = ['Authorization: Bearer mdk_a', `${name}: Bearer mdk_b`];
  const answer = await request(medic.url, 'GET', '/service', lines);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain('Authorization header was sent more than once');
  expect(answer.body).not.toContain('mdk_');
});

test('several cookies are one list, as everywhere', async () => {
  const answer = await request(medic.url, 'GET', '/health', ['Cookie: a=1', 'Cookie: b=2']);
  expect(answer.status).toBe(200);
});

test('no header is dropped for standing behind many others', async () => {
  for (const count of [10, 900, 995, 996, 997, 998, 1000, 1999, 2000, 2100]) {
    const lines = [...Array.from({ length: count }, () => 'a:'), 'X-Request-Id: last'];
    const answer = await request(medic.url, 'GET', '/health/live', lines);
    if (answer.status === 200) expect(answer.headers['x-request-id'], `${count}`).toBe('last');
    else expect(answer.status, `${count}`).toBe(431);
  }
});

test.each([
  ['a path', `GET /${'p'.repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`],
  ['a header', `GET /service HTTP/1.1\r\n${HOST}X: ${'v'.repeat(20_000)}\r\n\r\n`],
  ['a name', `GET /service HTTP/1.1\r\n${HOST}${'N'.repeat(20_000)}: v\r\n\r\n`],
  ['a cookie', `GET /service HTTP/1.1\r\n${HOST}Cookie: ${'c=d;'.repeat(5_000)}\r\n\r\n`],
  ['credentials', `GET /service HTTP/1.1\r\n${HOST}Authorization: Bearer ${'k'.repeat(20_000)}\r\n\r\n`],
  ['a trailer', post(chunked, `0\r\nX: ${'v'.repeat(20_000)}\r\n\r\n`)],
])('%s of 20 KB is refused with 431', async (_name, bytes) => {
  const { text, closed } = await exchange(medic.url, bytes);
  expect(closed).toBe(true);
  expect(answersIn(text).map(({ status }) => status)).toEqual([431]);
});
