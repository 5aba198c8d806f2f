import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';
import { request } from '../harness/socket.ts';
import { body, pair, segment } from './generators.ts';

let medic: TestMedic;
let routes: { method: string; path: string; parameters: string[] }[];
let survivor: string;
beforeAll(async () => {
  medic = await startTestMedic();
  const { paths } = (await medic.call('GET', '/docs/openapi.json')).body as {
    paths: Record<string, Record<string, { parameters?: { in: string; name: string }[] }>>;
  };
  routes = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { parameters = [] }]) => ({
      method: method.toUpperCase(),
      path,
      parameters: parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name),
    })),
  );
  survivor = (await registered(medic, { heartbeat_name: 'survivor' })).heartbeat_name;
  await registered(medic, { heartbeat_name: 'a' });
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'a', status: 'DOWN' });
});
afterAll(() => medic.close());

afterEach(async () => {
  const answer = await medic.call('POST', '/heartbeat', { heartbeat_name: survivor, status: 'UP' });
  expect(resultsOf(answer, 201)).toBe('');
  const { body: metrics } = await medic.call('GET', '/metrics');
  expect(metrics).not.toMatch(/medic_http_server_request_total\{[^}]*status_code="5/);
  expect(medic.lines.filter((line) => line.level === 'ERROR')).toEqual([]);
  const broken = await medic.db.query(sql`
    select from medic.services left join medic.service_state state using (service_id)
    where state.service_id is null or (active and check_at is null)
      or heartbeat_name <> btrim(heartbeat_name) or heartbeat_name ~ '[/[:cntrl:]]'
      or octet_length(name_key) = 0 or (runbook is not null and runbook !~* '^https?://')
      or exists (select from medic.mutes mute where mute.service_id = services.service_id
        and mute.mute_until > ${medic.clock.now()}::timestamptz + interval '365 days')`);
  expect(broken.rowCount).toBe(0);
  // The events of services that were deleted go with the next jobs.
  await medic.settle();
  const orphans = await medic.db.query(sql`
    select from medic.heartbeats event left join medic.services using (service_id)
    where services.service_id is null or octet_length(event.message) > 10240`);
  expect(orphans.rowCount).toBe(0);
});

/** Paths whose successes are not in the envelope. */
const BARE = /^\/(health|metrics|docs|schemas|v1\/healthcheck|v2\/events|v2\/audit-logs\/export)/;

interface Sent {
  method: string;
  path: string;
  target: string;
  headers?: string[];
  body?: string | Buffer;
}

async function check({ method, path, target, headers = [], body = '' }: Sent): Promise<number> {
  const answer = await request(medic.url, method, target, headers, body);
  const about = `${method} ${target.slice(0, 300)} ${body.slice(0, 300)} → ${answer.status} ${answer.body.slice(0, 300)}`;
  expect(answer.status, about).toBeGreaterThanOrEqual(200);
  expect(answer.status, about).toBeLessThan(500);
  if (method === 'HEAD' || answer.status === 204) return answer.status;
  if (answer.status < 300 && BARE.test(path)) return answer.status;
  if (path.startsWith('/ping/') && [200, 400, 404].includes(answer.status)) {
    if (answer.headers['content-type']?.startsWith('text/plain')) return answer.status;
  }
  expect(answer.headers['content-type'], about).toBe('application/json; charset=utf-8');
  const envelope = JSON.parse(answer.body);
  expect(envelope.success, about).toBe(answer.status < 300);
  expect(envelope.message, about).toBeTypeOf('string');
  expect(envelope, about).toHaveProperty('results');
  if (answer.status >= 300) expect(envelope.results, about).toBe('');
  expect(answer.body, about).not.toMatch(/\bat .+\.[jt]s:\d+|node_modules|<html/i);
  return answer.status;
}

test('no random body, path or query on any route breaks the envelope or the server', async () => {
  const seen = new Map<string, number>();
  const anyRequest = fc.nat().chain((n) => {
    const { method, path, parameters } = routes[n % routes.length] ?? {
      method: 'GET',
      path: '/',
      parameters: [],
    };
    return fc.record({
      method: fc.oneof(
        { weight: 9, arbitrary: fc.constant(method) },
        { weight: 1, arbitrary: fc.constantFrom('HEAD', 'PUT', 'OPTIONS', 'PROPFIND', 'DELETE') },
      ),
      path: fc.constant(path),
      segments: fc.array(segment, { minLength: 1, maxLength: 1 }),
      query: fc.array(pair(parameters), { maxLength: 3 }).map((all) => all.join('&')),
      body: fc.option(body, { nil: '' }),
    });
  });
  await fc.assert(
    fc.asyncProperty(fc.array(anyRequest, { minLength: 10, maxLength: 10 }), async (requests) => {
      const statuses = await Promise.all(
        requests.map(({ method, path, segments, query, body: sent }) => {
          const filled = path.replaceAll(/\{[^}]+\}/g, () => segments[0] ?? 'x').replaceAll(/[#\s]/g, '');
          const target = query === '' ? filled : `${filled}?${query.replaceAll(/[\s#]/g, '')}`;
          // The survivor is what tells that the server still works.
          const kept =
            method === 'DELETE' ||
            method === 'PATCH' ||
            path.includes('/service/') ||
            path.includes('/api-keys/');
          const safe = kept ? target.replace(/\/(1|survivor)(?=$|[/?])/, '/2') : target;
          return check({ method, path, target: safe, body: method === 'HEAD' ? '' : sent.toWellFormed() });
        }),
      );
      for (const status of statuses) seen.set(String(status), (seen.get(String(status)) ?? 0) + 1);
    }),
    { seed: 5, numRuns: 250, endOnFailure: true },
  );
  // The storm reached validation, handlers and the database, not only the door.
  for (const status of ['200', '201', '400', '404', '405', '409']) {
    expect(seen.get(status) ?? 0, `${status} of ${JSON.stringify([...seen])}`).toBeGreaterThan(0);
  }
});

test('raw bytes as a body are refused or read, never a failure of the server', async () => {
  const posts = routes.filter(({ method }) => method === 'POST' || method === 'PATCH');
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 300 }), async (n, bytes) => {
      const { method, path } = posts[n % posts.length] ?? { method: 'POST', path: '/service' };
      await check({ method, path, target: path.replaceAll(/\{[^}]+\}/g, '2'), body: Buffer.from(bytes) });
    }),
    { seed: 6, numRuns: 300, endOnFailure: true },
  );
});

/** A ping takes its body as a message, whatever it is. */
const takesMembers = ({ method, path }: { method: string; path: string }) =>
  ['POST', 'PATCH'].includes(method) && !path.startsWith('/ping/');

const PROTOTYPES = [
  '{"__proto__":{"isAdmin":true}}',
  '{"__proto__":null,"team":"x"}',
  '{"constructor":{"prototype":{"isAdmin":true}}}',
  '{"prototype":{}}',
  '{"toString":"x"}',
  '{"hasOwnProperty":1}',
  '{"\\u005f\\u005fproto__":{"isAdmin":true}}',
  '{"team":{"__proto__":{"isAdmin":true}}}',
];

test('names of the prototype are members like any other unknown one', async () => {
  for (const { method, path } of routes.filter(takesMembers)) {
    for (const sent of PROTOTYPES) {
      const target = path.replaceAll(/\{[^}]+\}/g, '2').replace('/service/2', '/service/a');
      expect([400, 404], `${method} ${path} ${sent}`).toContain(
        await check({ method, path, target, body: sent }),
      );
    }
  }
  expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
});

const somewhere = async () => `/v2/services/${(await registered(medic)).service_id}`;

test('of a repeated member the last one counts', async () => {
  const sent = '{"team":"first","team":"second","team":"third"}';
  const { body: answer } = await medic.call('PATCH', await somewhere(), sent);
  expect(answer.results.team).toBe('third');
});

test('a body with a hundred thousand unknown members gets a short answer', async () => {
  const many = `{${Array.from({ length: 100_000 }, (_, n) => `"${n}":1`).join(',')}}`;
  for (const { method, path } of routes.filter(takesMembers)) {
    const target = path.replaceAll(/\{[^}]+\}/g, '2');
    expect(await check({ method, path, target, body: many })).toBeGreaterThanOrEqual(400);
  }
  const path = await somewhere();
  const answer = await medic.call('PATCH', path, `{"${'x'.repeat(900_000)}": 1}`);
  expect(answer.status).toBe(400);
  expect(JSON.stringify(answer.body).length).toBeLessThan(2000);
  expect(JSON.stringify((await medic.call('PATCH', path, many)).body).length).toBeLessThan(20_000);
});
