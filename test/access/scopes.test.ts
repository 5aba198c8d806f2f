import { afterAll, beforeAll, expect, test } from 'vitest';
import { newKey } from '../../src/features/access/key.ts';
import { grants, SCOPES, type Scope } from '../../src/features/access/scope.ts';
import { registered } from '../harness/expectations.ts';
import { keyWith } from '../harness/keys.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

interface Route {
  method: string;
  path: string;
  scope: Scope | 'any' | null;
}

let medic: TestMedic;
let routes: Route[];
const keys = new Map<string, string>();

/** Every set of scopes that a key can have. */
const SETS: readonly Scope[][] = [['read'], ['write'], ['admin'], ['read', 'write']];

beforeAll(async () => {
  medic = await startTestMedic();
  const { paths } = (await medic.call('GET', '/docs/openapi.json')).body as {
    paths: Record<string, Record<string, { 'x-medic-scope': Route['scope'] }>>;
  };
  routes = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      scope: operation['x-medic-scope'],
    })),
  );
  for (const set of SETS) keys.set(String(set), (await keyWith(medic, set)).authorization);
  const service = await registered(medic, { heartbeat_name: 'watched' });
  expect(service.service_id).toBe(1);
});
afterAll(() => medic.close());

/** A request that reaches the handler, and whose success harms nobody: only reading finds what it names. */
const call = (route: Route, headers: Record<string, string>) =>
  medic.call(
    route.method,
    pathOf(route),
    route.method === 'GET' ? undefined : '{"no such member":1}',
    headers,
  );

const pathOf = ({ method, path }: Route) =>
  (method === 'GET'
    ? path.replace('{service_id}', '1').replace('{heartbeat_name}', 'watched')
    : path
  ).replaceAll(/\{\w+\}/g, '999999999');

test('the document has public routes and routes of every scope', () => {
  const found = new Set(routes.map(({ scope }) => scope));
  expect(found).toEqual(expect.objectContaining(new Set([null, 'read', 'write'])));
  expect(routes.length).toBeGreaterThan(40);
});

test('without a key every route that needs a scope is 401, and every other one is not', async () => {
  for (const route of routes) {
    const headers = { authorization: 'none' };
    const { status, body, headers: answered } = await call(route, headers);
    const about = `${route.method} ${route.path}: ${status}`;
    if (route.scope === null) {
      if (!OWN_PROTECTION.test(route.path)) expect(status, about).not.toBe(401);
      continue;
    }
    expect(status, about).toBe(401);
    expect(answered.get('www-authenticate'), about).toBe('Bearer');
    expect(body.message).toMatch(/Missing or invalid Authorization header.*Bearer/);
    expect(body).toMatchObject({ success: false, results: '' });
  }
});

/** What needs no key in the header has a protection of its own (spec 05 section 4). */
const OWN_PROTECTION = /^\/v2\/(session|webhooks\/playbooks|slack)|^\/api\/v1\/slack/;

test('with a wrong key every route that needs a scope is 401', async () => {
  for (const route of routes.filter(({ scope }) => scope !== null)) {
    const { status, body } = await call(route, { authorization: `Bearer ${newKey()}` });
    expect(status, `${route.method} ${route.path}`).toBe(401);
    expect(body.message).toContain('Invalid API key');
  }
});

test.each(SETS)('the scopes %s %s open exactly the routes that ask for them', async (...given) => {
  const set = given.filter((scope): scope is Scope => SCOPES.includes(scope as Scope));
  const authorization = keys.get(String(set)) ?? '';
  for (const route of routes) {
    if (route.scope === null) continue;
    const { status, body } = await call(route, { authorization });
    const about = `${route.method} ${route.path} with ${set}: ${status} ${JSON.stringify(body).slice(0, 200)}`;
    if (grants(set, route.scope)) {
      expect([401, 403], about).not.toContain(status);
      expect(status, about).toBeLessThan(500);
      // Reading what is there, or a list, succeeds.
      if (route.method === 'GET' && !/999999999/.test(pathOf(route))) expect(status, about).toBe(200);
    } else {
      expect(status, about).toBe(403);
      expect(body.message).toMatch(/^Insufficient permissions/);
      expect(body.message).toContain(String(route.scope));
    }
  }
});

test('a path or method that does not exist is answered without asking who calls', async () => {
  const headers = { authorization: 'none' };
  expect((await medic.call('GET', '/v2/nowhere', undefined, headers)).status).toBe(404);
  expect((await medic.call('GET', '/healthx', undefined, headers)).status).toBe(404);
  expect((await medic.call('GET', '/docsx', undefined, headers)).status).toBe(404);
  expect((await medic.call('DELETE', '/v2/services', undefined, headers)).status).toBe(405);
});

test('the ping key of a service is shown to those who may write, and to nobody else', async () => {
  for (const set of SETS) {
    const headers = { authorization: keys.get(String(set)) ?? '' };
    if (!grants(set, 'read')) continue;
    const one = (await medic.call('GET', '/v2/services/1', undefined, headers)).body.results;
    const [listed] = (await medic.call('GET', '/v2/services', undefined, headers)).body.results.entries;
    for (const shown of [one, listed]) {
      if (grants(set, 'write')) {
        expect(shown.ping_key, String(set)).toMatch(/^[0-9a-f-]{36}$/);
        expect(shown.ping_url).toContain(shown.ping_key);
      } else {
        expect(shown).toMatchObject({ ping_key: null, ping_url: null });
      }
    }
  }
  const { body: written } = await medic.call(
    'PATCH',
    '/v2/services/1',
    {},
    { authorization: keys.get('write') ?? '' },
  );
  const answers = await Promise.all(
    ['/v2/services', '/v2/services/1', '/v2/snapshots', '/v2/audit-logs', '/service'].map(
      async (path) =>
        (await medic.call('GET', path, undefined, { authorization: keys.get('read') ?? '' })).body,
    ),
  );
  expect(JSON.stringify(answers)).not.toContain(written.results.ping_key);
});

test('what is asked for without permission is not done', async () => {
  const authorization = keys.get('read') ?? '';
  const fields = { heartbeat_name: 'intruder', service_name: 'x', alert_interval_seconds: 60 };
  expect((await medic.call('POST', '/v2/services', fields, { authorization })).status).toBe(403);
  const beat = { heartbeat_name: 'watched', status: 'DOWN' };
  expect((await medic.call('POST', '/heartbeat', beat, { authorization })).status).toBe(403);
  expect((await medic.call('DELETE', '/v2/services/1', undefined, { authorization: 'none' })).status).toBe(
    401,
  );
  await medic.settle();
  const { body } = await medic.call('GET', '/v2/services');
  expect(body.results.entries).toHaveLength(1);
  expect(body.results.entries[0]).toMatchObject({
    heartbeat_name: 'watched',
    down: false,
    last_heartbeat: null,
  });
});
