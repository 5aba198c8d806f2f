import { hash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApi } from '../../src/api.ts';
import { newKey } from '../../src/features/access/key.ts';
import { Sessions } from '../../src/features/access/sessions.ts';
import { type Database, sql } from '../../src/platform/db.ts';
import { runDaily } from '../../src/worker.ts';
import { ADMIN_KEY } from '../harness/admin.ts';
import { expectFailure, freshName, resultsOf } from '../harness/expectations.ts';
import { type Answer, startTestMedic, type TestMedic } from '../harness/medic.ts';
import { mortal } from '../harness/mortal-database.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const PATH = '/v2/session';
const CSRF = { 'x-medic-csrf': '1' };

/** A request as a browser makes it: with cookies, without a key. */
async function browse(
  method: string,
  path: string,
  options: { cookie?: string; headers?: Record<string, string>; body?: unknown; at?: TestMedic } = {},
): Promise<Answer> {
  const { cookie, headers = {}, body, at = medic } = options;
  const response = await fetch(at.url + path, {
    method,
    headers: { ...headers, ...(cookie === undefined ? {} : { cookie }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

const logIn = (api_key: unknown, at = medic) => browse('POST', PATH, { body: { api_key }, at });

/** The cookie of an answer, as the browser sends it back. */
const cookieOf = ({ headers }: Answer) => headers.getSetCookie()[0]?.split(';')[0] ?? '';

async function session(api_key: string): Promise<string> {
  const answer = await logIn(api_key);
  resultsOf(answer);
  return cookieOf(answer);
}

async function createKey(fields: Record<string, unknown> = {}) {
  const body = { name: freshName('key'), ...fields };
  return resultsOf(await medic.call('POST', '/v2/api-keys', body), 201);
}

async function failures(): Promise<Record<string, number>> {
  const page = await (await fetch(`${medic.url}/metrics`)).text();
  const found = page.matchAll(/^medic_auth_failures_total\{reason="(\w+)"\} (\d+)/gm);
  return Object.fromEntries([...found].map(([, reason, count]) => [reason, Number(count)]));
}

test('a login sets a cookie that scripts cannot read and other sites cannot send', async () => {
  const answer = await logIn(ADMIN_KEY);
  expect(resultsOf(answer)).toEqual({
    name: 'admin',
    scopes: ['read', 'write', 'admin'],
    expires_at: new Date(medic.clock.now().getTime() + 12 * 3_600_000).toISOString(),
    auth_mode: 'required',
    csrf_header: 'X-Medic-CSRF',
  });
  expect(answer.headers.get('cache-control')).toBe('no-store');
  const [cookie = '', ...more] = answer.headers.getSetCookie();
  expect(more).toEqual([]);
  const [pair = '', ...attributes] = cookie.split('; ');
  expect(pair).toMatch(/^medic_session=[A-Za-z0-9_-]{43}$/);
  expect(attributes.toSorted()).toEqual(['HttpOnly', 'Max-Age=43200', 'Path=/', 'SameSite=Strict', 'Secure']);
  expect(resultsOf(await browse('GET', PATH, { cookie: pair }))).toEqual(resultsOf(answer));
  const token = pair.split('=')[1] ?? '';
  const { rows } = await medic.db.query<{ token_hash: Buffer }>(sql`select token_hash from medic.sessions`);
  expect(rows.map((row) => row.token_hash)).toContainEqual(hash('sha256', token, 'buffer'));
});

test('without https the cookie is sent over http too', async () => {
  const plain = await startTestMedic({ MEDIC_BASE_URL: 'http://medic.example.com' });
  try {
    expect((await logIn(ADMIN_KEY, plain)).headers.getSetCookie()[0]).not.toContain('Secure');
  } finally {
    await plain.close();
  }
});

test('a wrong key does not log in, and counts as a failure', async () => {
  const before = await failures();
  for (const wrong of [newKey(), `${ADMIN_KEY.slice(0, -1)}x`, '', 'x', 'mdk_', `${ADMIN_KEY} `]) {
    const answer = await logIn(wrong);
    expectFailure(answer, 401, 'Invalid API key');
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(answer.headers.getSetCookie()).toEqual([]);
  }
  const expired = await createKey({ expires_at: '2040-03-01T12:00:01Z' });
  await medic.advance('1s');
  expectFailure(await logIn(expired.key), 401, 'expired');
  const after = await failures();
  expect(after.invalid_key).toBe((before.invalid_key ?? 0) + 6);
  expect(after.expired_key).toBe((before.expired_key ?? 0) + 1);
});

test.each([
  [{}, 'api_key'],
  [{ api_key: null }, 'api_key'],
  [{ api_key: 5 }, 'api_key'],
  [{ api_key: ['x'] }, 'api_key'],
  [{ api_key: 'x'.repeat(100_000) }, 'api_key'],
  [{ api_key: 'x', remember: true }, 'remember'],
  ['{"__proto__": {}}', 'JSON'],
])('a login with %j is refused with 400, and the answer does not repeat it', async (body, word) => {
  const answer = await browse('POST', PATH, { body });
  expectFailure(answer, 400, word);
  expect(JSON.stringify(answer.body).length).toBeLessThan(500);
});

test('a session can do what its key can do now', async () => {
  const { key, api_key_id } = await createKey({ scopes: ['read'] });
  const cookie = await session(key);
  resultsOf(await browse('GET', '/v2/services', { cookie }));
  expectFailure(await browse('POST', '/v2/services', { cookie, headers: CSRF, body: {} }), 403, 'write');
  const name = freshName('renamed');
  resultsOf(await medic.call('PATCH', `/v2/api-keys/${api_key_id}`, { name, scopes: ['write'] }));
  expectFailure(await browse('GET', '/v2/services', { cookie }), 403, 'read');
  expectFailure(await browse('POST', '/v2/services', { cookie, headers: CSRF, body: {} }), 400);
  expect(resultsOf(await browse('GET', PATH, { cookie }))).toMatchObject({ name, scopes: ['write'] });
});

test('what a session changes needs the header that other sites cannot send', async () => {
  const cookie = await session(ADMIN_KEY);
  for (const headers of [{}, { 'x-medic-csrf': '' }]) {
    for (const [method, path] of [
      ['POST', '/v2/services'],
      ['PATCH', '/v2/services/1'],
      ['DELETE', '/v2/services/1'],
      ['POST', '/heartbeat'],
      ['DELETE', PATH],
    ] as const) {
      expectFailure(await browse(method, path, { cookie, headers }), 403, 'X-Medic-CSRF');
    }
  }
  expectFailure(await browse('POST', '/v2/services', { cookie, headers: CSRF, body: {} }), 400);
  // Reading does not, and neither does a bearer.
  resultsOf(await browse('GET', '/v2/services', { cookie }));
  const head = await fetch(`${medic.url}/v2/services`, { method: 'HEAD', headers: { cookie } });
  expect(head.status).toBe(200);
});

test('of bearer and cookie the bearer decides', async () => {
  const cookie = await session(ADMIN_KEY);
  const { key, name } = await createKey({ scopes: ['read'] });
  const with_ = (authorization: string) => ({ cookie, headers: { authorization } });
  expect(resultsOf(await browse('GET', PATH, with_(`Bearer ${key}`))).name).toBe(name);
  expectFailure(await browse('POST', '/v2/services', with_(`Bearer ${key}`)), 403, 'scope write');
  expectFailure(await browse('GET', PATH, with_(`Bearer ${newKey()}`)), 401, 'Invalid API key');
  // What no bearer is decides nothing: a proxy in front may have a login of its own.
  expect(resultsOf(await browse('GET', PATH, with_('Basic eDp5'))).name).toBe('admin');
});

test('a bearer learns who it is, and until when', async () => {
  const expires_at = '2041-01-01T00:00:00.000Z';
  const { key, name } = await createKey({ scopes: ['write'], expires_at });
  const headers = { authorization: `Bearer ${key}` };
  expect(resultsOf(await browse('GET', PATH, { headers }))).toEqual({
    name,
    scopes: ['write'],
    expires_at,
    auth_mode: 'required',
    csrf_header: 'X-Medic-CSRF',
  });
  expect(resultsOf(await browse('DELETE', PATH, { headers }))).toBe('');
  resultsOf(await browse('GET', PATH, { headers }));
  expect(resultsOf(await medic.call('GET', PATH)).expires_at).toBe(null);
});

test('a logout ends the session, and the browser forgets the cookie', async () => {
  const [cookie, other] = [await session(ADMIN_KEY), await session(ADMIN_KEY)];
  const answer = await browse('DELETE', PATH, { cookie, headers: CSRF });
  expect(resultsOf(answer)).toBe('');
  expect(answer.headers.getSetCookie()[0]).toMatch(/^medic_session=; Max-Age=0; Path=\/; HttpOnly/);
  expectFailure(
    await browse('GET', PATH, { cookie }),
    401,
    'Missing or invalid Authorization header',
    'Bearer',
  );
  resultsOf(await browse('GET', PATH, { cookie: other }));
});

test('a session ends after twelve hours, and is removed from the database', async () => {
  const cookie = await session(ADMIN_KEY);
  await medic.advance('11h59m59s');
  resultsOf(await browse('GET', PATH, { cookie }));
  await medic.advance('1s');
  expectFailure(await browse('GET', PATH, { cookie }), 401);
  const young = await session(ADMIN_KEY);
  await medic.advance('1h');
  await runDaily(medic.parts);
  const { rows } = await medic.db.query(sql`select from medic.sessions`);
  expect(rows).toHaveLength(1);
  resultsOf(await browse('GET', PATH, { cookie: young }));
});

test('a session ends with its key: expired, rotated or revoked', async () => {
  const end = new Date(medic.clock.now().getTime() + 60_000).toISOString();
  const expiring = await createKey({ expires_at: end });
  const answer = await logIn(expiring.key);
  expect(resultsOf(answer).expires_at).toBe(end);
  expect(answer.headers.getSetCookie()[0]).toContain('Max-Age=60');
  const [rotated, revoked, shortened] = [await createKey(), await createKey(), await createKey()];
  const cookies = await Promise.all([rotated, revoked, shortened].map(({ key }) => session(key)));
  resultsOf(await medic.call('POST', `/v2/api-keys/${rotated.api_key_id}/rotate`));
  resultsOf(await medic.call('DELETE', `/v2/api-keys/${revoked.api_key_id}`));
  resultsOf(await medic.call('PATCH', `/v2/api-keys/${shortened.api_key_id}`, { expires_at: end }));
  const ended = async (cookie: string) => (await browse('GET', PATH, { cookie })).status === 401;
  expect(await Promise.all([...cookies, cookieOf(answer)].map(ended))).toEqual([true, true, false, false]);
  await medic.advance('1m');
  expect(await Promise.all([...cookies, cookieOf(answer)].map(ended))).toEqual([true, true, true, true]);
  const { rows } = await medic.db.query(sql`
    select from medic.sessions where api_key_id = any(${[rotated.api_key_id, revoked.api_key_id]})`);
  expect(rows).toEqual([]);
});

test('nobody logs in with a key that another process has just rotated, though this one remembers it', async () => {
  const { key, api_key_id } = await createKey();
  resultsOf(await logIn(key));
  await medic.db.query(sql`
    update medic.api_keys set key_hash = 'another' where api_key_id = ${api_key_id}`);
  expectFailure(await logIn(key), 401, 'Invalid API key');
});

test('of a login and a rotation at the same moment no session is left', async () => {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const { key, api_key_id } = await createKey();
    resultsOf(await logIn(key));
    const logins = Array.from({ length: 5 }, () => logIn(key));
    const [, ...answers] = await Promise.all([
      medic.call('POST', `/v2/api-keys/${api_key_id}/rotate`),
      ...logins,
    ]);
    for (const answer of answers) expect([200, 401]).toContain(answer.status);
    const { rows } = await medic.db.query(sql`select from medic.sessions where api_key_id = ${api_key_id}`);
    expect(rows).toEqual([]);
  }
});

test('what a session does is a use of its key', async () => {
  const { key, api_key_id: id } = await createKey();
  const cookie = await session(key);
  await medic.parts.keys.recordUse();
  medic.clock.advance(120_000);
  await browse('GET', PATH, { cookie });
  await medic.parts.keys.recordUse();
  const { last_used_at } = resultsOf(await medic.call('GET', `/v2/api-keys/${id}`));
  expect(last_used_at).toBe(medic.clock.now().toISOString());
});

test('however many made-up cookies come at once, each is told apart', async () => {
  const good = await session(ADMIN_KEY);
  const made = Array.from({ length: 400 }, () => `medic_session=${randomBytes(32).toString('base64url')}`);
  const statuses = await Promise.all(
    made.toSpliced(200, 0, good).map(async (cookie) => (await browse('GET', PATH, { cookie })).status),
  );
  expect(statuses[200]).toBe(200);
  expect(new Set(statuses.toSpliced(200, 1))).toEqual(new Set([401]));
});

test('of all cookies that wait the database is asked together', async () => {
  const good = (await session(ADMIN_KEY)).split('=')[1] ?? '';
  let asked = 0;
  const counting: Database = {
    query: (statement) => {
      asked += 1;
      return medic.db.query(statement);
    },
  };
  const sessions = new Sessions({ db: counting, clock: medic.clock });
  const made = Array.from({ length: 400 }, () => randomBytes(32).toString('base64url'));
  const found = await Promise.all(made.toSpliced(200, 0, good).map((token) => sessions.find(token)));
  expect(found.map((identity) => identity?.name)).toEqual(
    Array.from({ length: 401 }, (_, n) => (n === 200 ? 'admin' : undefined)),
  );
  expect(asked).toBeLessThan(10);
});

test('a malformed, unknown or doubled cookie is none', async () => {
  const good = await session(ADMIN_KEY);
  const token = good.split('=')[1] ?? '';
  const before = await failures();
  const cookies = [
    'medic_session',
    'medic_session=',
    'medic_session=x',
    `medic_session=${'A'.repeat(43)}`,
    `medic_session=${token}x`,
    `medic_session=${token.slice(1)}`,
    `medic_session="${token}`,
    'medic_session=%',
    'medic_session=%00',
    `${good}; ${good}`,
    `medic_session=${'A'.repeat(43)}; ${good}`,
    `medic_session = x; ${good}`,
    `Medic_Session=${token}`,
    `xmedic_session=${token}`,
    `__proto__=${token}`,
    ';;;===;',
    `a=${'; '.repeat(2000)}`,
  ];
  for (const cookie of cookies) {
    expectFailure(await browse('GET', PATH, { cookie }), 401, 'Missing or invalid Authorization header');
  }
  expect(await failures()).toEqual({ ...before, missing_key: (before.missing_key ?? 0) + cookies.length });
  for (const cookie of [`theme=dark; ${good}`, `${good};`, `${good}; xmedic_session=1`, ` ${good} ; a`]) {
    expect((await browse('GET', PATH, { cookie })).status, cookie).toBe(200);
  }
});

test('where nobody must authenticate everybody is anonymous with all scopes, also with an old cookie', async () => {
  const open = await startTestMedic({ MEDIC_AUTH_MODE: 'off' });
  try {
    const anonymous = {
      name: 'anonymous',
      scopes: ['read', 'write', 'admin'],
      expires_at: null,
      auth_mode: 'off',
      csrf_header: 'X-Medic-CSRF',
    };
    const old = `medic_session=${'A'.repeat(43)}`;
    expect(resultsOf(await browse('GET', PATH, { at: open }))).toEqual(anonymous);
    expect(resultsOf(await browse('GET', PATH, { at: open, cookie: old }))).toEqual(anonymous);
    expect(resultsOf(await browse('DELETE', PATH, { at: open }))).toBe('');
    expectFailure(await browse('POST', '/v2/services', { at: open, cookie: old, body: {} }), 400);
    const cookie = cookieOf(await logIn(ADMIN_KEY, open));
    expect(resultsOf(await browse('GET', PATH, { at: open, cookie })).name).toBe('admin');
    expectFailure(await logIn('x', open), 401);
  } finally {
    await open.close();
  }
});

test('where heartbeats are open an old cookie keeps no heartbeat out', async () => {
  const open = await startTestMedic({ MEDIC_AUTH_MODE: 'open-ingest' });
  try {
    const cookie = `medic_session=${'A'.repeat(43)}`;
    const body = { heartbeat_name: 'unknown', status: 'UP' };
    expect((await browse('POST', '/heartbeat', { at: open, cookie, body })).status).toBe(404);
    expectFailure(await browse('GET', '/v2/services', { at: open, cookie }), 401);
  } finally {
    await open.close();
  }
});

test('no page of another site is allowed to read an answer', async () => {
  const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
  for (const [method, path] of [
    ['GET', PATH],
    ['POST', PATH],
    ['OPTIONS', PATH],
    ['GET', '/health'],
  ] as const) {
    const answer = await browse(method, path, { headers });
    const cors = [...answer.headers.keys()].filter((name) => name.startsWith('access-control-'));
    expect(cors, `${method} ${path}`).toEqual([]);
  }
});

test('a database that is away is 503, never 401', async () => {
  const cookie = await session(ADMIN_KEY);
  const db = medic.connect();
  const life = mortal(db);
  const readiness = { migrated: true, stopping: false, workerAlive: () => true };
  const server = await createApi(medic.another(db), readiness);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  try {
    life.die({ statement: 1, when: 'before' });
    const at = { ...medic, url };
    for (const answer of [await browse('GET', PATH, { cookie, at }), await logIn(ADMIN_KEY, at)]) {
      expectFailure(answer, 503);
      expect(answer.headers.get('retry-after')).toBe('5');
    }
  } finally {
    await server.close();
    await db.end();
  }
});

test('no line of the log has a key or a cookie in it', async () => {
  const cookie = await session(ADMIN_KEY);
  await browse('GET', '/v2/services', { cookie });
  const log = JSON.stringify(medic.lines);
  expect(medic.lines.length).toBeGreaterThan(50);
  expect(log).not.toContain('mdk_');
  expect(log).not.toContain('medic_session');
  expect(log).not.toContain(cookie.split('=')[1]);
});
