import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { expectFailure, freshName, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const PATH = '/v2/api-keys';

async function created(fields: Record<string, unknown> = {}) {
  return resultsOf(await medic.call('POST', PATH, { name: freshName('key'), ...fields }), 201);
}

const as = (key: string) => ({ authorization: `Bearer ${key}` });

test('a key is created with the scope read, shown once, and lets its owner in', async () => {
  const name = freshName('key');
  const answer = await medic.call('POST', PATH, { name: `  ${name} ` });
  const { key, ...shown } = resultsOf(answer, 201);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(key).toMatch(/^mdk_[A-Za-z0-9_-]{43}$/);
  expect(shown).toEqual({
    api_key_id: expect.any(Number),
    name,
    key_prefix: key.slice(4, 12),
    scopes: ['read'],
    expires_at: null,
    rate_limits: {},
    last_used_at: null,
    created_at: medic.clock.now().toISOString(),
    updated_at: medic.clock.now().toISOString(),
  });
  expect(resultsOf(await medic.call('GET', `${PATH}/${shown.api_key_id}`))).toEqual(shown);
  resultsOf(await medic.call('GET', '/v2/services', undefined, as(key)));
  expectFailure(await medic.call('POST', '/v2/services', {}, as(key)), 403, 'write');
});

test('all settings are stored as they are given, scopes in any case and each once', async () => {
  const expires_at = '2041-01-01T00:00:00.000Z';
  const rate_limits = { heartbeat: 5000, management: 1 };
  const { key: _key, ...shown } = await created({
    scopes: ['ADMIN', 'write', 'Admin', 'write'],
    expires_at: '2041-01-01 01:00:00+01',
    rate_limits,
  });
  expect(shown).toMatchObject({ scopes: ['write', 'admin'], expires_at, rate_limits });
  expect((await created({ rate_limits: null, expires_at: null })).rate_limits).toEqual({});
});

test('the list is newest first, in pages, and shows no secret', async () => {
  const first = await created();
  const second = await created();
  const page = resultsOf(await medic.call('GET', `${PATH}?limit=2`));
  expect(page.entries.map((entry: { api_key_id: number }) => entry.api_key_id)).toEqual([
    second.api_key_id,
    first.api_key_id,
  ]);
  expect(page).toMatchObject({ limit: 2, offset: 0, has_more: true });
  expect(page.total_count).toBeGreaterThan(2);
  const rest = resultsOf(await medic.call('GET', `${PATH}?offset=${page.total_count - 1}`));
  expect(rest).toMatchObject({ entries: [{ name: 'admin' }], has_more: false });
  expect(JSON.stringify([page, rest])).not.toMatch(/mdk_|argon2|key_hash/);
});

test.each<[body: unknown, ...words: string[]]>([
  [{}, 'name', 'is required'],
  [{ name: '' }, 'name'],
  [{ name: ' \t ' }, 'name'],
  [{ name: 'x'.repeat(256) }, 'name', '255'],
  [{ name: 'x'.repeat(900_000) }, 'name', '255'],
  [{ name: 'a\u0000b' }, 'name'],
  [{ name: 'a\nb' }, 'name'],
  [{ name: 'adm\u200bin' }, 'name'],
  [{ name: '\u202enimda' }, 'name'],
  [{ name: '\ud800' }, 'name'],
  [{ name: 'Anonymous' }, 'name', 'audit log'],
  [{ name: 'system:start' }, 'name', 'audit log'],
  [{ name: 7 }, 'name'],
  [{ name: null }, 'name'],
  [{ name: 'x', scopes: [] }, 'scopes'],
  [{ name: 'x', scopes: ['root'] }, 'scopes.0', 'read, write, admin'],
  [{ name: 'x', scopes: 'admin' }, 'scopes'],
  [{ name: 'x', scopes: [null] }, 'scopes.0'],
  [{ name: 'x', scopes: null }, 'scopes'],
  [{ name: 'x', expires_at: 'tomorrow' }, 'expires_at'],
  [{ name: 'x', expires_at: 5 }, 'expires_at'],
  [{ name: 'x', expires_at: 'infinity' }, 'expires_at'],
  [{ name: 'x', expires_at: '2040-03-01T12:00:00Z' }, 'expires_at', 'future'],
  [{ name: 'x', rate_limits: { heartbeats: 1 } }, 'rate_limits.heartbeats'],
  [{ name: 'x', rate_limits: { constructor: 1 } }, 'rate_limits.constructor'],
  [{ name: 'x', rate_limits: { heartbeat: 0 } }, 'rate_limits.heartbeat'],
  [{ name: 'x', rate_limits: { heartbeat: 1.5 } }, 'rate_limits.heartbeat'],
  [{ name: 'x', rate_limits: { heartbeat: 1e30 } }, 'rate_limits.heartbeat'],
  [{ name: 'x', rate_limits: { heartbeat: '9' } }, 'rate_limits.heartbeat'],
  [{ name: 'x', rate_limits: [] }, 'rate_limits'],
  ['{"name": "x", "rate_limits": {"__proto__": {"heartbeat": 1}}}', 'JSON'],
  [{ name: 'x', key: 'mdk_chosen' }, 'key', 'not a known member'],
  [[], 'object'],
  ['{', 'JSON'],
])('%j is refused with 400', async (body, ...words) => {
  expectFailure(await medic.call('POST', PATH, body), 400, ...words);
});

test('names of prototypes and of other alphabets are names like any other', async () => {
  for (const name of [
    '__proto__',
    'constructor',
    'ключ 🔑',
    "'; drop table medic.api_keys; --",
    'x'.repeat(255),
  ]) {
    expect(await created({ name })).toMatchObject({ name });
  }
});

test('a name is given once, also to ten who ask at the same moment', async () => {
  const name = freshName('key');
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => medic.call('POST', PATH, { name, scopes: ['write'] })),
  );
  const [winner, ...losers] = answers.toSorted((a, b) => a.status - b.status);
  expect(winner?.status).toBe(201);
  for (const loser of losers) expectFailure(loser, 409, name);
});

test('a change touches what it names, and takes effect at once', async () => {
  const before = await created({ scopes: ['read'] });
  const path = `${PATH}/${before.api_key_id}`;
  const { key, ...shown } = before;
  resultsOf(await medic.call('GET', '/v2/services', undefined, as(key)));
  await medic.advance('1m');
  expect(resultsOf(await medic.call('PATCH', path, {}))).toEqual(shown);
  const change = { name: freshName('key'), scopes: ['write'], rate_limits: { heartbeat: 7 } };
  const updated_at = medic.clock.now().toISOString();
  expect(resultsOf(await medic.call('PATCH', path, change))).toEqual({ ...shown, ...change, updated_at });
  expectFailure(await medic.call('GET', '/v2/services', undefined, as(key)), 403, 'read');
  const expires_at = new Date(medic.clock.now().getTime() + 60_000).toISOString();
  expect(resultsOf(await medic.call('PATCH', path, { expires_at, rate_limits: null }))).toMatchObject({
    expires_at,
    rate_limits: {},
  });
  await medic.advance('1m');
  expectFailure(await medic.call('POST', '/v2/services', {}, as(key)), 401, 'expired');
  resultsOf(await medic.call('PATCH', path, { expires_at: null }));
  expectFailure(await medic.call('POST', '/v2/services', {}, as(key)), 400);
});

test('a change is refused like a creation, and for a name that another key has', async () => {
  const [one, other] = [await created(), await created()];
  const path = `${PATH}/${one.api_key_id}`;
  expectFailure(await medic.call('PATCH', path, { name: other.name }), 409, other.name);
  expectFailure(await medic.call('PATCH', path, { name: null }), 400, 'name');
  expectFailure(await medic.call('PATCH', path, { scopes: [] }), 400, 'scopes');
  expectFailure(await medic.call('PATCH', path, { expires_at: '2000-01-01' }), 400, 'expires_at');
  expectFailure(await medic.call('PATCH', path, { key_hash: 'x' }), 400, 'key_hash');
  expect(resultsOf(await medic.call('PATCH', path, { name: one.name })).name).toBe(one.name);
});

test('a rotated key has a new secret, and the old one ends at once', async () => {
  const before = await created({ scopes: ['read'] });
  resultsOf(await medic.call('GET', '/v2/services', undefined, as(before.key)));
  const after = resultsOf(await medic.call('POST', `${PATH}/${before.api_key_id}/rotate`));
  expect(after).toMatchObject({ api_key_id: before.api_key_id, name: before.name, scopes: ['read'] });
  expect(after.key).not.toBe(before.key);
  expect(after.key_prefix).toBe(after.key.slice(4, 12));
  expectFailure(await medic.call('GET', '/v2/services', undefined, as(before.key)), 401, 'Invalid API key');
  resultsOf(await medic.call('GET', '/v2/services', undefined, as(after.key)));
});

test('a revoked key is gone', async () => {
  const { api_key_id, key, name } = await created();
  resultsOf(await medic.call('GET', '/v2/services', undefined, as(key)));
  expect(resultsOf(await medic.call('DELETE', `${PATH}/${api_key_id}`))).toBe('');
  expectFailure(await medic.call('GET', '/v2/services', undefined, as(key)), 401, 'Invalid API key');
  for (const [method, path] of [
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['POST', '/rotate'],
  ] as const) {
    expectFailure(await medic.call(method, `${PATH}/${api_key_id}${path}`), 404, 'API key');
  }
  await created({ name });
});

test.each(['x', '-1', '1.5', '2147483648', '9'.repeat(400), '%00', "1'--"])(
  'the id %s names no key',
  async (id) => {
    expectFailure(await medic.call('GET', `${PATH}/${id}`), 404);
    expectFailure(await medic.call('DELETE', `${PATH}/${id}`), 404);
  },
);

test('only the scope admin manages keys', async () => {
  const { key, api_key_id } = await created({ scopes: ['read', 'write'] });
  for (const [method, path] of [
    ['GET', PATH],
    ['POST', PATH],
    ['GET', `${PATH}/${api_key_id}`],
    ['PATCH', `${PATH}/${api_key_id}`],
    ['DELETE', `${PATH}/${api_key_id}`],
    ['POST', `${PATH}/${api_key_id}/rotate`],
  ] as const) {
    const body = method === 'GET' ? undefined : {};
    expectFailure(await medic.call(method, path, body, as(key)), 403, 'Insufficient permissions', 'admin');
  }
});

test('a prefix that another key has already is not used', async () => {
  // The first insertion finds its prefix taken by a key that came a moment before.
  await medic.db.query({
    text: `
      create function medic.be_quicker() returns trigger language plpgsql as $$
      begin
        if new.name = 'second' and not exists (select from medic.api_keys where name = 'quicker') then
          insert into medic.api_keys (name, key_prefix, key_hash, scopes, created_at, updated_at)
          values ('quicker', new.key_prefix, 'x', '{read}', new.created_at, new.created_at);
        end if;
        return new;
      end $$`,
  });
  await medic.db.query({
    text: 'create trigger quicker before insert on medic.api_keys for each row execute function medic.be_quicker()',
  });
  const { key, key_prefix } = await created({ name: 'second' });
  const { rows } = await medic.db.query<{ key_prefix: string }>(
    sql`select key_prefix from medic.api_keys where name = 'quicker'`,
  );
  expect(rows).toHaveLength(1);
  expect(rows[0]?.key_prefix).not.toBe(key_prefix);
  resultsOf(await medic.call('GET', '/v2/services', undefined, as(key)));
});

test('no line of the log has a key in it', () => {
  expect(medic.lines.length).toBeGreaterThan(20);
  expect(JSON.stringify(medic.lines)).not.toContain('mdk_');
});
