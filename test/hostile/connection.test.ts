import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createApi } from '../../src/api.ts';
import { sql } from '../../src/platform/db.ts';
import { registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';
import { answersIn, exchange, type RawAnswer } from '../harness/socket.ts';

let medic: TestMedic;
beforeAll(async () => {
  // What is tested here happens below authentication.
  medic = await startTestMedic({ MEDIC_AUTH_MODE: 'off' });
  await registered(medic, { heartbeat_name: 'survivor' });
});
afterAll(() => medic.close());

afterEach(async () => {
  const answer = await medic.call('POST', '/heartbeat', { heartbeat_name: 'survivor', status: 'UP' });
  expect(resultsOf(answer, 201)).toBe('');
  expect((await medic.call('GET', '/metrics')).body).not.toMatch(/request_total\{[^}]*status_code="5/);
  expect(medic.lines.filter((line) => line.level === 'ERROR')).toEqual([]);
});

function expectRefusal(answer: RawAnswer | undefined, ...statuses: number[]): void {
  expect(statuses, JSON.stringify(answer)).toContain(answer?.status);
  expect(answer?.headers['content-type']).toBe('application/json; charset=utf-8');
  const body = JSON.parse(answer?.body ?? '');
  expect(body).toEqual({ success: false, message: expect.any(String), results: '' });
  expect(body.message).not.toBe('');
}

const HOST = 'Host: medic\r\n';

/** Bytes that are no good request; the server answers once and closes. */
const REFUSED: [name: string, bytes: string, ...statuses: number[]][] = [
  ['a line that is not HTTP', 'hello\r\n\r\n', 400],
  ['a lower-case method', `get /service HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['an unknown method', `FETCH /service HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['HTTP/2 in the open', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['a TLS greeting', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003', 400],
  ['an unknown version', `GET /service HTTP/9.9\r\n${HOST}\r\n`, 400],
  ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n', 400],
  ['a header without colon', `GET /service HTTP/1.1\r\n${HOST}nonsense\r\n\r\n`, 400],
  ['a header name with a blank', `GET /service HTTP/1.1\r\n${HOST}X y: z\r\n\r\n`, 400],
  ['a NUL in a header', `GET /service HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`, 400],
  ['a NUL in the path', `GET /service\0 HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a folded header that injects', `GET /service HTTP/1.1\r\n${HOST}X: a\n b\r\n\r\n`, 400],
  ['two lengths', `POST /heartbeat HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400],
  ['a negative length', `POST /heartbeat HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n{}`, 400],
  ['a length that is no number', `POST /heartbeat HTTP/1.1\r\n${HOST}Content-Length: two\r\n\r\n{}`, 400],
  [
    'length and chunks',
    `POST /heartbeat HTTP/1.1\r\n${HOST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'a chunk size that is no number',
    `POST /heartbeat HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n`,
    400,
  ],
  [
    'a chunk that is longer than it says',
    `POST /heartbeat HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n`,
    400,
  ],
  ['a header of 20 KiB', `GET /service HTTP/1.1\r\n${HOST}X: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ['four thousand headers', `GET /service HTTP/1.1\r\n${HOST}${'X: y\r\n'.repeat(4000)}\r\n`, 431],
  ['a query of 20 KiB', `GET /service?q=${'a'.repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`, 431],
];

test.each(REFUSED)('%s is refused in the envelope', async (_name, bytes, ...statuses) => {
  const { text, closed } = await exchange(medic.url, Buffer.from(bytes, 'latin1'));
  expect(closed, text).toBe(true);
  const answers = answersIn(text);
  expect(answers).toHaveLength(1);
  expectRefusal(answers[0], ...statuses);
});

test('HTTP/1.1 without Host is refused in the envelope, HTTP/1.0 needs none', async () => {
  for (const target of ['/service', '/nowhere']) {
    const { text } = await exchange(medic.url, `GET ${target} HTTP/1.1\r\nConnection: close\r\n\r\n`);
    expectRefusal(answersIn(text)[0], 400);
  }
  const { text, closed } = await exchange(medic.url, 'GET /service HTTP/1.0\r\n\r\n');
  expect(answersIn(text)).toMatchObject([{ status: 200 }]);
  expect(closed).toBe(true);
});

const CLOSE = `${HOST}Connection: close\r\n`;

test.each([
  ['the absolute form', `GET http://medic/service HTTP/1.1\r\n${CLOSE}\r\n`, 200],
  [
    'an expectation to continue',
    `POST /heartbeat HTTP/1.1\r\n${CLOSE}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`,
    400,
  ],
  ['an expectation nobody knows', `GET /service HTTP/1.1\r\n${CLOSE}Expect: tea\r\n\r\n`, 200],
  [
    'a wish to upgrade',
    `GET /service HTTP/1.1\r\n${HOST}Connection: upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
    200,
  ],
  ['an asterisk', `OPTIONS * HTTP/1.1\r\n${CLOSE}\r\n`, 404],
  ['two slashes', `GET //service HTTP/1.1\r\n${CLOSE}\r\n`, 404],
  ['a way out', `GET /../../etc/passwd HTTP/1.1\r\n${CLOSE}\r\n`, 404],
  ['an encoded way out', `GET /docs/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n${CLOSE}\r\n`, 404],
  ['a broken escape', `GET /service/%zz HTTP/1.1\r\n${CLOSE}\r\n`, 400],
  ['an overlong escape', `GET /service/%c0%ae HTTP/1.1\r\n${CLOSE}\r\n`, 400],
  ['raw bytes in the path', `GET /service/\u00ff\u00fe HTTP/1.1\r\n${CLOSE}\r\n`, 400],
  ['a path of 15 KiB', `GET /${'x'.repeat(15_000)} HTTP/1.1\r\n${CLOSE}\r\n`, 404],
  ['a body with GET', `GET /service HTTP/1.1\r\n${CLOSE}Content-Length: 9\r\n\r\nnot JSON!`, 200],
  [
    'a forged address',
    `GET /service HTTP/1.1\r\n${CLOSE}X-Forwarded-For: '; drop table\r\nForwarded: for=x\r\n\r\n`,
    200,
  ],
  ['a strange Host', `GET /service HTTP/1.1\r\nHost: a b:c@d/e?f\r\nConnection: close\r\n\r\n`, 200],
  [
    'a smuggled encoding',
    `POST /heartbeat HTTP/1.1\r\n${CLOSE}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    400,
  ],
])('%s gets its one answer', async (_name, bytes, status) => {
  const { text, closed } = await exchange(medic.url, Buffer.from(bytes, 'latin1'));
  expect(closed, text).toBe(true);
  const answers = answersIn(text).filter((answer) => answer.status !== 100);
  expect(answers.map((answer) => answer.status)).toEqual([status]);
  expect(answers[0]?.headers['content-type']).toBe('application/json; charset=utf-8');
});

test('pipelined requests are answered in order', async () => {
  const targets = ['/nowhere', '/service', '/v2/services/999', '/health/live', '/alerts?active=x'];
  const bytes = targets.map((target, n) => {
    const last = n === targets.length - 1 ? 'Connection: close\r\n' : '';
    return `GET ${target} HTTP/1.1\r\n${HOST}X-Request-Id: r${n}\r\n${last}\r\n`;
  });
  const { text } = await exchange(medic.url, bytes.join(''));
  const answers = answersIn(text);
  expect(answers.map(({ status }) => status)).toEqual([404, 200, 404, 200, 400]);
  expect(answers.map(({ headers }) => headers['x-request-id'])).toEqual(['r0', 'r1', 'r2', 'r3', 'r4']);
});

test('a body that ends before its announced length stores nothing', async () => {
  const bytes = '{"heartbeat_name":"survivor","status":"UP","run_id":"cut"}';
  for (const end of [true, false]) {
    const head = `POST /heartbeat HTTP/1.1\r\n${HOST}Content-Length: ${bytes.length + 5}\r\n\r\n`;
    const { text } = await exchange(medic.url, head + bytes, { end, patienceMs: end ? 3000 : 300 });
    for (const answer of answersIn(text)) expectRefusal(answer, 400);
  }
  const { rowCount } = await medic.db.query(sql`select from medic.heartbeats where run_id = 'cut'`);
  expect(rowCount).toBe(0);
});

test('a caller that vanishes in the middle of its body leaves nothing behind', async () => {
  const { hostname, port } = new URL(medic.url);
  for (let n = 0; n < 20; n += 1) {
    const socket = net.connect(Number(port), hostname);
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(
      `POST /heartbeat HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\n{"heartbeat_name":"survivor","status":"DOWN"}`,
    );
    // Long enough for the server to have begun to read it.
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (n % 2 === 0) socket.resetAndDestroy();
    else socket.destroy();
  }
  const { rowCount } = await medic.db.query(sql`select from medic.heartbeats where status <> 'UP'`);
  expect(rowCount).toBe(0);
});

test('requests that are never finished do not keep others waiting', async () => {
  const { hostname, port } = new URL(medic.url);
  const open = await Promise.all(
    [
      '',
      'G',
      'GET /service',
      `GET /service HTTP/1.1\r\n${HOST}`,
      `POST /heartbeat HTTP/1.1\r\n${HOST}Content-Length: 9\r\n\r\n{`,
    ]
      .flatMap((start) => Array.from({ length: 40 }, () => start))
      .map(async (start) => {
        const socket = net.connect(Number(port), hostname);
        socket.on('error', () => {});
        await once(socket, 'connect');
        socket.write(start);
        return socket;
      }),
  );
  const answers = await Promise.all(Array.from({ length: 20 }, () => medic.call('GET', '/v2/services')));
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
  for (const socket of open) socket.destroy();
});

test('a request must arrive within 30 s, its body included', async () => {
  // Node swaps the two when the one for the headers is longer, and the body would get that time.
  const app = await createApi(medic.another(), { migrated: true, stopping: false, workerAlive: () => true });
  expect(app.server.requestTimeout).toBe(30_000);
  expect(app.server.headersTimeout).toBeLessThanOrEqual(app.server.requestTimeout);
  await app.close();
});

test('random bytes get a refusal or nothing, and never stop the server', async () => {
  await Promise.all(
    Array.from({ length: 60 }, async (_, n) => {
      const noise = createHash('shake256', { outputLength: 1 + n * 40 })
        .update(`${n}`)
        .digest();
      const start = n % 3 === 0 ? Buffer.from(`POST /heartbeat HTTP/1.1\r\n${HOST}`) : Buffer.alloc(0);
      const { text } = await exchange(medic.url, Buffer.concat([start, noise]), { end: true });
      for (const answer of text === '' ? [] : answersIn(text)) expectRefusal(answer, 400, 431);
    }),
  );
});

test('callers that reset their tunnel at once, or keep it half open, stop nothing and hold nothing', async () => {
  const { hostname, port } = new URL(medic.url);
  const bytes = 'CONNECT medic:443 HTTP/1.1\r\nHost: medic\r\n\r\n';
  for (let i = 0; i < 100; i += 1) {
    const socket = net.connect(Number(port), hostname).on('error', () => {});
    await once(socket, 'connect');
    socket.write(bytes + 'x'.repeat(i * 100));
    if (i % 3 > 0) await new Promise((resolve) => setImmediate(resolve));
    socket.resetAndDestroy();
  }
  const open = net.connect({ host: hostname, port: Number(port), allowHalfOpen: true }).on('error', () => {});
  open.resume().write(bytes);
  await once(open, 'end');
  const drip = setInterval(() => open.write('x'), 100);
  const closed = await Promise.race([
    // Writing to what was closed is an error, which ends it here too.
    new Promise((resolve) => open.once('close', () => resolve(true))),
    new Promise((resolve) => setTimeout(() => resolve(false), 8_000)),
  ]);
  clearInterval(drip);
  open.destroy();
  expect(closed).toBe(true);
});
