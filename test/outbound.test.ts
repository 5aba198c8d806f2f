import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import {
  GuardedClient,
  type GuardedRequest,
  RefusedUrl,
  type Resolve,
} from '../src/platform/outbound/guarded.ts';
import { hostList, networkList } from '../src/platform/outbound/settings.ts';
import { OutboundError } from '../src/platform/outbound.ts';
import { recordingLogger } from './harness/logger.ts';
import { startTestMedic } from './harness/medic.ts';
import { selfSigned } from './harness/tls.ts';

const LOOPBACK = '127.0.0.0/8';

const servers: net.Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server) (server as Server).closeAllConnections();
    server.close();
  }
});

interface Listener {
  port: number;
  connections: number;
  requests: { method: string; url: string; headers: IncomingHttpHeaders; body: Buffer }[];
}

type Respond = (response: import('node:http').ServerResponse) => void;
const fine: Respond = (response) => response.writeHead(200, { 'x-answer': 'yes' }).end('fine');

/** A real server on one address, which counts what reaches it. */
async function listen(
  address = '127.0.0.1',
  { port = 0, respond = fine, secure }: { port?: number; respond?: Respond; secure?: tls.TlsOptions } = {},
): Promise<Listener> {
  const server = secure === undefined ? createServer() : createTlsServer(secure);
  servers.push(server);
  const listener: Listener = { port: 0, connections: 0, requests: [] };
  server.on('connection', () => {
    listener.connections += 1;
  });
  server.on('request', async (request, response) => {
    const { method = '', url = '', headers } = request;
    const body = Buffer.concat(await request.toArray());
    listener.requests.push({ method, url, headers, body });
    respond(response);
  });
  server.listen(port, address);
  await once(server, 'listening');
  listener.port = (server.address() as AddressInfo).port;
  return listener;
}

function guarded({
  hosts = '',
  networks = '',
  resolve,
}: {
  hosts?: string;
  networks?: string;
  resolve?: Resolve;
}) {
  const { log, lines } = recordingLogger();
  const allowed = { hosts: hostList()(hosts) ?? new Set<string>(), networks: networkList()(networks) ?? [] };
  const client = new GuardedClient(allowed, log, resolve);
  const send = (url: string, how: Partial<GuardedRequest> = {}) =>
    client.send({ url, method: 'POST', headers: {}, body: null, timeoutMs: 5_000, ...how });
  return { client, send, lines };
}

/** Answers each question with the next list of addresses, and counts the questions. */
function resolving(...answers: string[][]) {
  const asked: string[] = [];
  const resolve = async (name: string) => {
    asked.push(name);
    return answers[Math.min(asked.length, answers.length) - 1] ?? [];
  };
  return { asked, resolve };
}

test('a refused URL opens no connection, and tells its caller nothing', async () => {
  const listener = await listen();
  const { client, send, lines } = guarded({ resolve: async () => ['127.0.0.1'] });
  for (const host of ['127.0.0.1', '2130706433', '[::ffff:127.0.0.1]', 'localhost', 'inside.example.com']) {
    const url = `http://${host}:${listener.port}/secret-path?token=secret-query`;
    for (const attempt of [client.checkUrl(url), send(url)]) {
      const error = await attempt.catch((thrown: unknown) => thrown);
      expect(error, host).toBeInstanceOf(RefusedUrl);
      expect(error).toMatchObject({ message: 'Invalid webhook URL', status: 400, unresolved: false });
      expect(JSON.stringify(error)).not.toContain('127.0');
    }
  }
  expect(listener.connections).toBe(0);
  expect(lines.map(({ level }) => level)).toEqual(Array(10).fill('WARNING'));
  expect(lines[0]).toMatchObject({
    logger: 'medic.outbound',
    host: `127.0.0.1:${listener.port}`,
    reason: '127.0.0.1 is in a refused range',
  });
  expect(JSON.stringify(lines)).not.toContain('secret');
});

test('no credential of a refused URL is logged', async () => {
  const { client, lines } = guarded({});
  for (const url of [
    'http://user:hunter2@example.com/',
    'http://x:hunter2@',
    'hunter2',
    'ftp://h/hunter2?hunter2',
  ]) {
    await expect(client.checkUrl(url)).rejects.toBeInstanceOf(RefusedUrl);
  }
  expect(lines).toHaveLength(4);
  expect(JSON.stringify(lines)).not.toContain('hunter2');
});

test('a name with one allowed and one refused answer is refused before a connection', async () => {
  const listener = await listen();
  for (const addresses of [
    ['127.0.0.1', '10.0.0.1'],
    ['10.0.0.1', '127.0.0.1'],
    ['127.0.0.1', '::1'],
    ['127.0.0.1', '169.254.169.254'],
  ]) {
    const { send } = guarded({ networks: LOOPBACK, resolve: async () => addresses });
    await expect(send(`http://hook.example.com:${listener.port}/`)).rejects.toBeInstanceOf(RefusedUrl);
  }
  expect(listener.connections).toBe(0);
});

test('a name that changes its answer is connected to the address that was checked, and to no other', async () => {
  const checked = await listen('127.0.0.2');
  const changed = await listen('127.0.0.3', { port: checked.port });
  const { asked, resolve } = resolving(['127.0.0.2'], ['127.0.0.3'], ['10.0.0.1']);
  const { send } = guarded({ networks: LOOPBACK, resolve });
  const url = `http://hook.example.com:${checked.port}/a?b=c`;
  expect(await send(url)).toMatchObject({ status: 200, body: 'fine', headers: { 'x-answer': 'yes' } });
  expect([asked.length, checked.connections, changed.connections]).toEqual([1, 1, 0]);
  expect(checked.requests[0]?.headers.host).toBe(`hook.example.com:${checked.port}`);
  expect(checked.requests[0]?.url).toBe('/a?b=c');

  // The next request asks anew: no connection is kept from an earlier answer.
  await send(url);
  expect([asked.length, checked.connections, changed.connections]).toEqual([2, 1, 1]);
  await expect(send(url)).rejects.toBeInstanceOf(RefusedUrl);
  expect([checked.connections, changed.connections]).toEqual([1, 1]);
});

test('when the first of the checked addresses does not answer, the next one is tried', async () => {
  const listener = await listen('127.0.0.3');
  const { send } = guarded({ networks: LOOPBACK, resolve: async () => ['127.0.0.2', '127.0.0.3'] });
  expect((await send(`http://hook.example.com:${listener.port}/`)).status).toBe(200);
});

test('names are resolved by the system, and literals not at all', async () => {
  const listener = await listen();
  const { asked, resolve } = resolving([]);
  const literal = guarded({ networks: LOOPBACK, resolve });
  expect((await literal.send(`http://127.0.0.1:${listener.port}/`)).status).toBe(200);
  expect(asked).toEqual([]);
  const system = guarded({ networks: `${LOOPBACK},::1/128` });
  expect((await system.send(`http://LOCALHOST:${listener.port}/`)).status).toBe(200);
  await expect(system.client.checkUrl('http://nowhere.invalid/')).rejects.toMatchObject({ unresolved: true });
});

test('a name that cannot be resolved in time is refused', async () => {
  const never = guarded({ resolve: () => new Promise(() => {}) });
  const begun = performance.now();
  await expect(never.send('http://hook.example.com/', { timeoutMs: 200 })).rejects.toBeInstanceOf(RefusedUrl);
  expect(performance.now() - begun).toBeLessThan(4_000);
  await expect(never.client.checkUrl('http://hook.example.com/')).rejects.toMatchObject({ unresolved: true });
  expect(performance.now() - begun).toBeGreaterThanOrEqual(5_100);
  const broken = guarded({ resolve: () => Promise.reject(new Error('SERVFAIL')) });
  await expect(broken.send('http://hook.example.com/')).rejects.toMatchObject({ unresolved: true });
  const empty = guarded({ resolve: async () => [] });
  await expect(empty.send('http://hook.example.com/')).rejects.toMatchObject({ unresolved: true });
}, 15_000);

test('exact bytes, own headers and every method arrive; headers of the connection are not the caller’s', async () => {
  const listener = await listen();
  const { send } = guarded({ networks: LOOPBACK });
  const url = `http://127.0.0.1:${listener.port}/hook`;
  const bytes = Buffer.from([0x7b, 0x00, 0xff, 0x0a, 0x7d]);
  const headers = {
    'User-Agent': 'Medic/1',
    'X-Own': 'ü'.normalize('NFC'),
    Host: 'elsewhere.example.com',
    'content-length': '1',
    'Transfer-Encoding': 'chunked',
    Connection: 'upgrade',
    Upgrade: 'websocket',
    Expect: '100-continue',
    'Proxy-Authorization': 'Basic x',
  };
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const) {
    const body = method === 'GET' ? null : bytes;
    expect((await send(url, { method, headers, body })).status, method).toBe(200);
    const request = listener.requests.at(-1);
    expect(request?.method).toBe(method);
    expect(request?.body).toEqual(body ?? Buffer.alloc(0));
    expect(request?.headers).toMatchObject({ 'user-agent': 'Medic/1', host: `127.0.0.1:${listener.port}` });
    for (const name of ['transfer-encoding', 'upgrade', 'expect', 'proxy-authorization']) {
      expect(request?.headers, name).not.toHaveProperty(name);
    }
  }
});

test('a header cannot smuggle a second one, and a method no second line', async () => {
  const listener = await listen();
  const { send } = guarded({ networks: LOOPBACK });
  const url = `http://127.0.0.1:${listener.port}/`;
  for (const headers of [
    { 'X-A': 'b\r\nX-Evil: 1' },
    { 'X-A\r\nX-Evil': '1' },
    { 'X-A': 'b\0' },
    { '': 'x' },
  ]) {
    const error = await send(url, { headers: headers as Record<string, string> }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(OutboundError);
    expect(error.message).toBe('invalid request');
  }
  expect(listener.requests).toEqual([]);
});

test('redirects are answers', async () => {
  const target = await listen('127.0.0.2');
  for (const status of [301, 302, 303, 307, 308]) {
    const location = `http://127.0.0.2:${target.port}/`;
    const source = await listen('127.0.0.1', {
      respond: (response) => response.writeHead(status, { location }).end(),
    });
    const { send } = guarded({ networks: LOOPBACK });
    const answer = await send(`http://127.0.0.1:${source.port}/`, { method: 'GET' });
    expect(answer).toMatchObject({ status, headers: { location } });
  }
  expect(target.connections).toBe(0);
});

test('proxies of the environment are not used', async () => {
  const [listener, proxy] = [await listen(), await listen('127.0.0.2')];
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'NODE_USE_ENV_PROXY'];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names)
    process.env[name] = name.startsWith('NODE') ? '1' : `http://127.0.0.2:${proxy.port}`;
  try {
    const { send } = guarded({ networks: LOOPBACK });
    expect((await send(`http://127.0.0.1:${listener.port}/`)).body).toBe('fine');
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
  expect(proxy.connections).toBe(0);
});

test('at most 64 KiB of a response are read, and its headers are bounded too', async () => {
  const chunk = 'x'.repeat(1024 * 1024);
  let written = 0;
  const flood: Respond = (response) => {
    const more = () => {
      while (!response.destroyed && written < 500) {
        written += 1;
        if (!response.write(chunk)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  };
  const { send } = guarded({ networks: LOOPBACK });
  const endless = await listen('127.0.0.1', { respond: flood });
  expect((await send(`http://127.0.0.1:${endless.port}/`)).body).toHaveLength(64 * 1024);
  expect(written).toBeLessThan(100);
  const wide = await listen('127.0.0.1', {
    respond: (response) => response.writeHead(200, { 'x-wide': 'y'.repeat(40_000) }).end(),
  });
  await expect(send(`http://127.0.0.1:${wide.port}/`)).rejects.toBeInstanceOf(OutboundError);
});

test('the time is bounded, whatever the receiver does or does not', async () => {
  const { send } = guarded({ networks: LOOPBACK });
  const trickle: Respond = (response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(timer));
  };
  const silent = net.createServer((socket) => void socket.on('error', () => {}));
  servers.push(silent);
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const ports = [
    (await listen('127.0.0.1', { respond: trickle })).port,
    (await listen('127.0.0.1', { respond: () => {} })).port,
    (silent.address() as AddressInfo).port,
  ];
  for (const port of ports) {
    const begun = performance.now();
    await expect(send(`http://127.0.0.1:${port}/`, { timeoutMs: 300 })).rejects.toThrow('timed out');
    expect(performance.now() - begun).toBeLessThan(3_000);
  }
});

test('no answer is a word without an address', async () => {
  const { send } = guarded({ networks: LOOPBACK });
  const { port } = await listen();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  await expect(send(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({
    name: 'OutboundError',
    message: 'connection refused',
  });
});

test('TLS is verified against the name of the URL, whatever address was chosen', async () => {
  const { key, cert } = selfSigned('hook.example.com');
  const names: string[] = [];
  const secure: tls.TlsOptions = {
    SNICallback: (name, done) => {
      names.push(name);
      done(null, tls.createSecureContext({ key, cert }));
    },
    key,
    cert,
  };
  const listener = await listen('127.0.0.1', { secure });
  const { send } = guarded({ networks: LOOPBACK, resolve: async () => ['127.0.0.1'] });
  const url = (name: string) => `https://${name}:${listener.port}/`;
  // Nobody vouches for the certificate, not even when the environment would let that pass.
  const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  try {
    await expect(send(url('hook.example.com'))).rejects.toBeInstanceOf(OutboundError);
  } finally {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
  }
  expect(listener.requests).toEqual([]);

  const trusted = tls.getCACertificates('default');
  tls.setDefaultCACertificates([...trusted, cert]);
  try {
    // A Host of the caller would otherwise become the name that TLS asks for.
    expect((await send(url('hook.example.com'), { headers: { host: 'other.example.com' } })).status).toBe(
      200,
    );
    await expect(send(url('other.example.com'))).rejects.toBeInstanceOf(OutboundError);
    await expect(send(url('127.0.0.1'))).rejects.toBeInstanceOf(OutboundError);
  } finally {
    tls.setDefaultCACertificates(trusted);
  }
  expect(listener.requests).toHaveLength(1);
  expect(names).toEqual(['hook.example.com', 'hook.example.com', 'other.example.com']);
});

test('the settings of the program reach its guard', async () => {
  const listener = await listen();
  const url = `http://127.0.0.1:${listener.port}/`;
  const strict = await startTestMedic();
  const open = await startTestMedic({ MEDIC_ALLOWED_WEBHOOK_CIDRS: LOOPBACK });
  const picky = await startTestMedic({
    MEDIC_ALLOWED_WEBHOOK_CIDRS: LOOPBACK,
    MEDIC_ALLOWED_WEBHOOK_HOSTS: 'hook.example.com',
  });
  try {
    await expect(strict.parts.context.outbound.checkUrl(url)).rejects.toBeInstanceOf(RefusedUrl);
    await expect(open.parts.context.outbound.checkUrl(url)).resolves.toBeUndefined();
    await expect(picky.parts.context.outbound.checkUrl(url)).rejects.toBeInstanceOf(RefusedUrl);
  } finally {
    await Promise.all([strict.close(), open.close(), picky.close()]);
  }
  expect(listener.connections).toBe(0);
});
