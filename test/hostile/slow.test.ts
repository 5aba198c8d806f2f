import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { open } from '../../src/http/access.ts';
import { createServer, type Router, type ServerOptions } from '../../src/http/server.ts';
import { Metrics } from '../../src/platform/metrics.ts';
import { generousLimits } from '../harness/limits.ts';
import { silentLogger } from '../harness/logger.ts';
import { answersIn } from '../harness/socket.ts';

/** The same server with less patience, so that the tests need not have more. */
const patience = { requestMs: 600, checkEveryMs: 50, idleMs: 400, stalledMs: 900 };
/** For whatever is to be over by then, on a machine with other work. */
const SOON_MS = 8_000;

let app: Router;
let port: number;
beforeEach(async () => {
  const metrics = new Metrics();
  const options: ServerOptions = {
    log: silentLogger(),
    metrics,
    version: '0',
    admission: (_request, _reply, done) => done(),
    limits: generousLimits(metrics),
    baseUrl: 'http://medic',
    patience,
  };
  app = await createServer(options, (router) => {
    router.post('/echo', { config: open('health') }, (request) => request.body);
    router.get('/large', { config: open('health') }, (_request, reply) =>
      reply.send('x'.repeat(32 * 1024 * 1024)),
    );
  });
  port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
});
afterEach(() => app.close());

/** A connection that never closes by itself. */
async function connect(first = '') {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const connection = { socket, text: '' };
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    connection.text += chunk.toString('latin1');
  });
  await once(socket, 'connect');
  if (first !== '') socket.write(first);
  return connection;
}

const openConnections = () =>
  new Promise<number>((resolve, reject) =>
    app.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );

async function untilClosed(): Promise<void> {
  const begun = performance.now();
  while ((await openConnections()) > 0) {
    if (performance.now() - begun > SOON_MS)
      throw new Error(`${await openConnections()} connections stay open`);
    await sleep(20);
  }
}

const HEAD = 'POST /echo HTTP/1.1\r\nHost: medic\r\n';

test.each([
  ['nothing at all', '', ''],
  [
    'a request line, letter by letter',
    '',
    'GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  ],
  ['headers, letter by letter', HEAD, `X-Slow: ${'a'.repeat(300)}`],
  ['a body, letter by letter', `${HEAD}Content-Length: 1000\r\n\r\n`, `"${'a'.repeat(998)}"`],
  ['chunks, one by one', `${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'.repeat(300)],
])('who sends %s is told so in time, and the connection closed', async (_name, first, rest) => {
  const begun = performance.now();
  const connection = await connect(first);
  const { socket } = connection;
  let sent = 0;
  const dripping = setInterval(() => socket.writable && socket.write(rest[sent++ % rest.length] ?? ''), 20);
  try {
    await untilClosed();
  } finally {
    clearInterval(dripping);
    socket.destroy();
  }
  expect(performance.now() - begun).toBeGreaterThanOrEqual(patience.requestMs);
  expect(answersIn(connection.text)).toMatchObject([
    {
      status: 408,
      headers: { 'x-content-type-options': 'nosniff', 'x-request-id': expect.any(String) },
      body: expect.stringContaining('did not arrive in time'),
    },
  ]);
});

test.each([
  ['PUT', '/echo', 405],
  ['POST', '/nowhere', 404],
] as const)(
  'who goes on sending the body of a refused %s %s is not borne longer',
  async (method, path, status) => {
    const connection = await connect(
      `${method} ${path} HTTP/1.1\r\nHost: medic\r\nContent-Length: 100000\r\n\r\n{`,
    );
    const { socket } = connection;
    const dripping = setInterval(() => socket.writable && socket.write('x'), 20);
    try {
      // The answer does not wait for a body that changes nothing.
      while (connection.text === '') await sleep(10);
      expect(answersIn(connection.text)).toMatchObject([{ status }]);
      await untilClosed();
    } finally {
      clearInterval(dripping);
      socket.destroy();
    }
  },
);

test('who has been refused is not borne any longer for going on', async () => {
  const { socket } = await connect('this is not HTTP\r\n\r\n');
  const dripping = setInterval(() => socket.writable && socket.write('x'), 20);
  try {
    await untilClosed();
  } finally {
    clearInterval(dripping);
    socket.destroy();
  }
});

test('a connection may rest between requests, and is then closed', async () => {
  const request = `${HEAD}Content-Length: 2\r\n\r\n{}`;
  const connection = await connect(request);
  while (!connection.text.includes('{}')) await sleep(10);
  await sleep(patience.idleMs / 2);
  connection.text = '';
  connection.socket.write(request);
  while (!connection.text.includes('{}')) await sleep(10);
  await once(connection.socket, 'end');
  await untilClosed();
});

test('who does not read the answer loses the connection', async () => {
  const { socket } = await connect();
  socket.pause();
  socket.write('GET /large HTTP/1.1\r\nHost: medic\r\n\r\n');
  await untilClosed();
  socket.destroy();
});

test('hundreds of silent, slow and idle connections are closed, and others served meanwhile', async () => {
  const starts = ['', 'P', HEAD, `${HEAD}Content-Length: 9\r\n\r\n{`, `${HEAD}Content-Length: 2\r\n\r\n{}`];
  const connections = await Promise.all(
    starts.flatMap((start) => Array.from({ length: 60 }, () => connect(start))),
  );
  for (let n = 0; n < 10; n += 1) {
    const response = await fetch(`http://127.0.0.1:${port}/echo`, { method: 'POST', body: '{"a":1}' });
    expect(await response.json()).toEqual({ a: 1 });
  }
  await untilClosed();
  for (const { socket } of connections) socket.destroy();
});
