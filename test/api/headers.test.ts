import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { registered } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';
import { answersIn, exchange, type RawAnswer, request } from '../harness/socket.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const EVERYWHERE = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'strict-transport-security': 'max-age=31536000',
};
const DATA = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};
const PAGES = {
  'content-security-policy':
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
};

function expectHeaders({ headers, body }: RawAnswer, about: string, kind: object = DATA): void {
  expect(headers, about).toMatchObject({ ...EVERYWHERE, ...kind });
  expect(headers['x-request-id'], about).toMatch(/^[A-Za-z0-9._-]{1,128}$/);
  for (const name of ['server', 'x-powered-by', 'via', 'access-control-allow-origin']) {
    expect(headers, about).not.toHaveProperty(name);
  }
  expect(body, about).not.toMatch(/\bat .+\.[jt]s:\d+|node_modules/);
}

test('every route answers with them, to those who may and those who may not', async () => {
  // One of its own: among the routes are those that revoke the key.
  const walked = await startTestMedic();
  onTestFinished(() => walked.close());
  await registered(walked, { heartbeat_name: 'headed' });
  const { paths } = (await walked.call('GET', '/docs/openapi.json')).body as {
    paths: Record<string, object>;
  };
  expect(Object.keys(paths).length).toBeGreaterThan(20);
  for (const [path, item] of Object.entries(paths)) {
    const kind = path.startsWith('/docs') ? PAGES : DATA;
    for (const method of [...Object.keys(item), 'purge'].map((name) => name.toUpperCase())) {
      for (const id of ['1', 'headed', '999999', '%00']) {
        const target = path.replaceAll(/\{[^}]+\}/g, id);
        const answer = await request(walked.url, method, target);
        expectHeaders(answer, `${method} ${target} ${answer.status}`, kind);
      }
    }
  }
});

test.each<[string, string, string[], string, number]>([
  ['GET', '/nowhere', [], '', 404],
  ['DELETE', '/heartbeat', [], '', 405],
  ['OPTIONS', '*', [], '', 404],
  ['GET', '/service/%zz', [], '', 400],
  ['GET', '/service?active=nonsense', [], '', 400],
  ['POST', '/heartbeat', [], '{', 400],
  ['POST', '/heartbeat', ['Content-Encoding: br'], '{}', 415],
  ['POST', '/heartbeat', [], `"${'x'.repeat(1024 * 1024)}"`, 413],
  ['GET', '/service', ['Host: again'], '', 400],
  ['HEAD', '/service', [], '', 200],
  ['GET', '/v1/healthcheck/network', [], '', 204],
])('%s %s %j is answered with them', async (method, target, lines, body, status) => {
  const answer = await request(medic.url, method, target, lines, body);
  expect(answer.status).toBe(status);
  expectHeaders(answer, target);
});

test.each([
  ['what is not HTTP', 'hello\r\n\r\n', 400],
  ['a tunnel', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 400],
  ['too large headers', `GET / HTTP/1.1\r\nHost: m\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ['a request without Host', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
])('%s is refused with them', async (_name, bytes, status) => {
  const { text } = await exchange(medic.url, bytes);
  const [answer] = answersIn(text);
  expect(answer?.status).toBe(status);
  expectHeaders(answer as RawAnswer, text);
});

test.each(['/', '/?a=b', '/ui', '/ui/', '/ui?x', '/ui/alerts/1', '/docs', '/docs/', '/docs/openapi.json'])(
  '%s is a page',
  async (target) => {
    expectHeaders(await request(medic.url, 'GET', target), target, PAGES);
  },
);

test.each(['/uix', '/docsx', '/service/ui', '/UI', '/v2/docs', '//', '/health?/ui/', '/health#/ui'])(
  '%s is no page',
  async (target) => {
    expectHeaders(await request(medic.url, 'GET', target), target);
  },
);

test('an error on a page is not kept by anyone', async () => {
  expect((await request(medic.url, 'GET', '/ui/gone.js')).headers['cache-control']).toBe('no-store');
});

test('browsers are bound to https only where Medic is reached by it', async () => {
  const plain = await startTestMedic({ MEDIC_BASE_URL: 'http://medic.example.com' });
  try {
    expect((await request(plain.url, 'GET', '/health')).headers).not.toHaveProperty(
      'strict-transport-security',
    );
    const { text } = await exchange(plain.url, 'nonsense\r\n\r\n');
    expect(text).toContain('x-frame-options: DENY');
    expect(text.toLowerCase()).not.toContain('strict-transport-security');
  } finally {
    await plain.close();
  }
});
