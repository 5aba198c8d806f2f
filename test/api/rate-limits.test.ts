import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { ADMIN_KEY } from '../harness/admin.ts';
import { registered } from '../harness/expectations.ts';
import { type Answer, startTestMedic, type TestMedic } from '../harness/medic.ts';
import { answersIn, exchange, request } from '../harness/socket.ts';

let medic: TestMedic;
afterEach(() => medic.close());

const limits = (answer: Pick<Answer, 'headers'>) =>
  ['limit', 'remaining', 'reset'].map((name) => answer.headers.get(`x-ratelimit-${name}`));
const NO_KEY = { authorization: '' };
const seconds = () => Math.ceil(medic.clock.now().getTime() / 1000);

/** A key of its own. */
async function keyNamed(
  name: string,
  scopes: string[],
  rateLimits: object = {},
): Promise<Record<string, string>> {
  const key = `mdk_${name.padEnd(43, '_')}`;
  await medic.db.query(sql`
    insert into medic.api_keys (name, key_prefix, key_hash, scopes, rate_limits, created_at, updated_at)
    values (${name}, ${key.slice(4, 12)}, ${await medic.parts.keys.hasher.hash(key)}, ${scopes}, ${rateLimits},
      ${medic.clock.now()}, ${medic.clock.now()})`);
  return { authorization: `Bearer ${key}` };
}

async function times(count: number, once: () => Promise<{ status: number }>): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i += 1) statuses.push((await once()).status);
  return statuses;
}

async function metric(name: string): Promise<string | undefined> {
  const { page } = await medic.parts.metrics.expose(undefined, medic.db);
  return page
    .split('\n')
    .find((line) => line.startsWith(`${name} `))
    ?.slice(name.length + 1);
}

describe('with small limits', () => {
  beforeEach(async () => {
    medic = await startTestMedic({
      RATE_LIMIT_MANAGEMENT_REQUESTS: '3',
      RATE_LIMIT_HEARTBEAT_REQUESTS: '4',
      RATE_LIMIT_PING_REQUESTS: '2',
      RATE_LIMIT_HEALTH_REQUESTS: '5',
      RATE_LIMIT_DASHBOARD_REQUESTS: '600',
      RATE_LIMIT_AUTH_FAILURE_REQUESTS: '20',
    });
  });

  test('every answer says where its bucket stands, and what is over the limit is told when to come again', async () => {
    const list = () => medic.call('GET', '/v2/services');
    const reset = String(seconds() + 60);
    expect(limits(await list())).toEqual(['3', '2', reset]);
    await medic.advance('10s');
    expect(limits(await list())).toEqual(['3', '1', reset]);
    expect(limits(await list())).toEqual(['3', '0', reset]);
    await medic.advance('500ms');
    const refused = await list();
    expect(refused.status).toBe(429);
    expect(limits(refused)).toEqual(['3', '0', reset]);
    expect(refused.headers.get('retry-after')).toBe('50');
    expect(refused.body).toEqual({
      success: false,
      message: 'Rate limit exceeded',
      results: '',
      retry_after: 50,
    });
    expect(await metric('medic_rate_limit_hits_total{endpoint_type="management"}')).toBe('1');
    await medic.advance('49499ms');
    expect((await list()).headers.get('retry-after')).toBe('1');
    await medic.advance('1ms');
    expect((await list()).status).toBe(200);
    expect((await list()).status).toBe(429);
  });

  test('classes do not share a bucket, and neither do keys', async () => {
    const other = await keyNamed('other', ['read', 'write']);
    const list = (headers = {}) => medic.call('GET', '/v2/services', undefined, headers);
    expect(await times(4, list)).toEqual([200, 200, 200, 429]);
    expect(await times(4, () => list(other))).toEqual([200, 200, 200, 429]);
    expect(await times(5, () => medic.call('GET', '/heartbeat'))).toEqual([200, 200, 200, 200, 429]);
    expect(await times(6, () => medic.call('GET', '/health'))).toEqual([200, 200, 200, 200, 200, 429]);
  });

  test('all ways to write a path count in one bucket', async () => {
    const paths = ['/v2/services', '/v2/services/', '/v1/service', '/service?x=1', '/alerts'];
    const statuses = [];
    for (const path of paths) statuses.push((await medic.call('GET', path)).status);
    expect(statuses.slice(3)).toEqual([429, 429]);
  });

  test('the limits of a key win over those of the class', async () => {
    const small = await keyNamed('small', ['read'], { management: 1, heartbeat: 6 });
    const list = (path: string) => () => medic.call('GET', path, undefined, small);
    expect(await times(2, list('/v2/services'))).toEqual([200, 429]);
    expect(await times(7, list('/heartbeat'))).toEqual([200, 200, 200, 200, 200, 200, 429]);
    for (const broken of ['many', -1, 1.5, null, 1e300]) {
      const key = await keyNamed(`broken${String(broken)}`.padEnd(10, '_').replace(/\W/g, '_'), ['read'], {
        management: broken,
      });
      const answer = await medic.call('GET', '/v2/services', undefined, key);
      expect([answer.status, answer.headers.get('x-ratelimit-limit')]).toEqual([200, '3']);
    }
    const none = await keyNamed('none', ['read'], { management: 0 });
    const refused = await medic.call('GET', '/v2/services', undefined, none);
    expect([refused.status, ...limits(refused).slice(0, 2)]).toEqual([429, '0', '0']);
  });

  test('requests without a key, of unknown paths and with wrong methods count by address, and all of them do', async () => {
    const strange = () => medic.call('GET', '/v2/services', undefined, NO_KEY);
    const unknown = await medic.call('GET', '/nowhere');
    expect([unknown.status, ...limits(unknown).slice(0, 2)]).toEqual([404, '3', '2']);
    const refused = await strange();
    expect([refused.status, ...limits(refused).slice(0, 2)]).toEqual([401, '3', '1']);
    const method = await medic.call('DELETE', '/v2/services', undefined, NO_KEY);
    expect([method.status, ...limits(method).slice(0, 2)]).toEqual([405, '3', '0']);
    expect((await strange()).status).toBe(429);
    expect((await medic.call('GET', '/nowhere/else')).status).toBe(429);
    // Who has a key is not held by what others at its address do.
    expect((await medic.call('GET', '/v2/services')).status).toBe(200);
    expect((await medic.call('POST', '/health', undefined, NO_KEY)).headers.get('x-ratelimit-limit')).toBe(
      '5',
    );
  });

  test('a missing scope counts against the key', async () => {
    const reader = await keyNamed('reader', ['read']);
    const write = () => medic.call('POST', '/v2/services/bulk', {}, reader);
    expect(await times(4, write)).toEqual([403, 403, 403, 429]);
    expect(limits(await medic.call('GET', '/nowhere')).slice(0, 2)).toEqual(['3', '2']);
  });

  test('what is no proper request counts too', async () => {
    const bad = [
      () => request(medic.url, 'GET', '/%ff'),
      () => request(medic.url, 'POST', '/v2/services', [], '{'),
      () => request(medic.url, 'POST', '/heartbeat', ['Content-Encoding: br'], 'x'),
      () => request(medic.url, 'GET', `/v2/services/${'x'.repeat(9_000)}`),
      () => request(medic.url, 'HEAD', '/health'),
    ];
    for (const send of bad) {
      const { status, headers } = await send();
      expect(Number(headers['x-ratelimit-remaining']), `${status}`).toBeGreaterThanOrEqual(0);
      expect(headers['x-ratelimit-reset']).toBe(String(seconds() + 60));
    }
    const hostless = await exchange(medic.url, 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n');
    expect(answersIn(hostless.text)[0]).toMatchObject({ status: 400, headers: { 'x-ratelimit-limit': '5' } });
    for (const [bytes, status] of [
      ['no HTTP at all\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`, 429],
      ['CONNECT medic:443 HTTP/1.1\r\nHost: medic\r\n\r\n', 429],
    ] as const) {
      const [answer] = answersIn((await exchange(medic.url, bytes)).text);
      expect(answer).toMatchObject({ status, headers: { 'x-ratelimit-limit': '3' } });
      if (status === 429) {
        expect(answer?.headers['retry-after']).toBe('60');
        expect(JSON.parse(answer?.body ?? '')).toMatchObject({ success: false, retry_after: 60 });
      }
    }
    expect((await request(medic.url, 'GET', '/%ff')).status).toBe(429);
  });

  test('everything that a session does counts as dashboard, each session by itself', async () => {
    const session = async () => {
      const { headers } = await medic.call('POST', '/v2/session', { api_key: ADMIN_KEY }, NO_KEY);
      return {
        authorization: '',
        cookie: headers.get('set-cookie')?.split(';')[0] ?? '',
        'x-medic-csrf': '1',
      };
    };
    const [one, two] = [await session(), await session()];
    const remaining = async (method: string, path: string, headers: Record<string, string>) =>
      (await medic.call(method, path, undefined, headers)).headers.get('x-ratelimit-remaining');
    expect(await remaining('GET', '/v2/services', one)).toBe('599');
    expect(await remaining('GET', '/heartbeat', one)).toBe('598');
    expect(await remaining('GET', '/v2/session', one)).toBe('597');
    const { 'x-medic-csrf': _, ...forged } = one;
    expect(await remaining('DELETE', '/v2/session', forged)).toBe('596');
    expect(await remaining('GET', '/v2/alerts', two)).toBe('599');
    // What needs no key takes no notice of a session.
    expect(await remaining('GET', '/health', one)).toBe('4');
  });

  test('the header of a proxy that nobody trusts is nobody', async () => {
    const health = (address: string) =>
      medic.call('GET', '/health', undefined, { 'x-forwarded-for': address });
    const statuses = [];
    for (let i = 0; i < 6; i += 1) statuses.push((await health(`198.51.100.${i}`)).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
  });

  describe('pings', () => {
    let key: string;
    const ping = (path: string) => () => fetch(`${medic.url}/ping/${path}`);
    beforeEach(async () => {
      ({ ping_key: key } = await registered(medic, { heartbeat_name: 'backup' }));
    });

    test('count by their key, in any letter case and with any suffix', async () => {
      expect((await ping(key)()).headers.get('x-ratelimit-remaining')).toBe('1');
      expect((await ping(`${key.toUpperCase()}/start`)()).status).toBe(200);
      const refused = await ping(`${key}/fail`)();
      expect(refused.status).toBe(429);
      expect((await fetch(`${medic.url}/ping/${key}`, { method: 'HEAD' })).status).toBe(429);
      expect(await refused.text()).toBe('rate limit exceeded');
      expect(refused.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(refused.headers.get('retry-after')).toBe('60');
      const { ping_key: other } = await registered(medic, { heartbeat_name: 'other' });
      expect(await times(3, ping(other))).toEqual([200, 200, 429]);
      expect(await metric('medic_rate_limit_hits_total{endpoint_type="ping"}')).toBe('3');
    });

    test('of unknown keys count by address, and do not hold up those of known ones', async () => {
      const unknown = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
      const statuses = [];
      for (let i = 0; i < 4; i += 1) statuses.push((await ping(unknown(i))()).status);
      expect(statuses).toEqual([404, 404, 429, 429]);
      expect((await ping('no-key-at-all')()).status).toBe(429);
      expect(await times(3, ping(key))).toEqual([200, 200, 429]);
    });

    test('of a key that was replaced count by address from the second one on', async () => {
      await ping(key)();
      await medic.call('POST', '/v2/services/1/ping-key/rotate');
      expect((await ping(key)()).status).toBe(404);
      expect((await ping(key)()).status).toBe(404);
      expect((await ping(key)()).headers.get('x-ratelimit-remaining')).toBe('0');
      expect((await ping(key)()).status).toBe(429);
    });

    test('never name their key to what counts them', async () => {
      const buckets: string[] = [];
      const take = medic.parts.limiter.take.bind(medic.parts.limiter);
      medic.parts.limiter.take = (bucket, limit) => {
        buckets.push(bucket);
        return take(bucket, limit);
      };
      await ping(key)();
      expect(buckets).toHaveLength(1);
      expect(buckets.join()).not.toContain(key);
    });
  });

  describe('wrong keys', () => {
    const guess = (n: number) => ({ authorization: `Bearer mdk_${String(n).padStart(43, 'x')}` });
    // Another class for each third, so that their own limits stay out of it.
    const paths = ['/v2/services', '/heartbeat'];
    const tryKey = (n: number) => medic.call('GET', paths[n % 2] ?? '', undefined, guess(n));

    test('are refused unseen after twenty; known keys, pings and strangers go on', async () => {
      await medic.call('GET', '/v2/services');
      const fresh = await keyNamed('fresh', ['read']);
      const { ping_key: ping } = await registered(medic, { heartbeat_name: 'backup' });
      const verified: string[] = [];
      const verify = medic.parts.keys.verify.bind(medic.parts.keys);
      medic.parts.keys.verify = (key) => {
        verified.push(key);
        return verify(key);
      };
      for (let i = 0; i < 20; i += 1) expect([401, 429]).toContain((await tryKey(i)).status);
      expect(verified).toHaveLength(20);
      const refused = await tryKey(20);
      expect(refused.status).toBe(429);
      expect(limits(refused)).toEqual(['20', '0', String(seconds() + 60)]);
      expect(refused.body).toMatchObject({ message: 'Rate limit exceeded', retry_after: 60 });
      expect((await medic.call('GET', '/v2/services', undefined, fresh)).status).toBe(429);
      expect(verified).toHaveLength(20);
      expect(await metric('medic_rate_limit_hits_total{endpoint_type="auth_failure"}')).toBe('2');
      expect((await medic.call('GET', '/v2/services')).status).toBe(200);
      expect((await fetch(`${medic.url}/ping/${ping}`)).status).toBe(200);
      expect((await medic.call('GET', '/health', undefined, NO_KEY)).status).toBe(200);
      await medic.advance('60s');
      expect((await medic.call('GET', '/v2/services', undefined, fresh)).status).toBe(200);
    });

    test('are refused unseen at the login too, and sessions that run go on', async () => {
      const logIn = (key: string) => medic.call('POST', '/v2/session', { api_key: key }, NO_KEY);
      const { headers } = await logIn(ADMIN_KEY);
      const cookie = headers.get('set-cookie')?.split(';')[0] ?? '';
      // Counted apart, so that the login has room in its own class.
      for (let i = 0; i < 18; i += 1) await medic.call('GET', '/heartbeat', undefined, guess(i));
      for (let i = 18; i < 20; i += 1) expect((await logIn(`mdk_${'y'.repeat(40)}${i}`)).status).toBe(401);
      await medic.advance('100ms');
      const refused = await medic.call('GET', '/v2/services', undefined, guess(99));
      expect([refused.status, refused.headers.get('x-ratelimit-limit')]).toEqual([429, '20']);
      const session = { authorization: '', cookie };
      const answer = await medic.call('GET', '/v2/services', undefined, session);
      expect([answer.status, ...limits(answer).slice(0, 2)]).toEqual([200, '600', '599']);
    });

    test('a missing key is no wrong key', async () => {
      await times(30, () => medic.call('GET', '/v2/services', undefined, NO_KEY));
      const fresh = await keyNamed('fresh', ['read']);
      expect((await medic.call('GET', '/v2/services', undefined, fresh)).status).toBe(200);
    });
  });
});

test('behind trusted proxies the caller is whom they name', async () => {
  medic = await startTestMedic({ MEDIC_TRUST_PROXY: '1', RATE_LIMIT_HEALTH_REQUESTS: '2' });
  const health = (forwarded: string) =>
    medic.call('GET', '/health', undefined, { 'x-forwarded-for': forwarded });
  expect(await times(3, () => health('198.51.100.1'))).toEqual([200, 200, 429]);
  expect((await health('198.51.100.9, 198.51.100.1')).status).toBe(429);
  expect(await times(3, () => health('198.51.100.2'))).toEqual([200, 200, 429]);
  const networks = ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:db8:1:2:3:4:5:6', '2001:db8:1:3::1'];
  const statuses = [];
  for (const address of networks) statuses.push((await health(address)).status);
  expect(statuses).toEqual([200, 200, 429, 200]);
  expect(await times(3, () => health('junk'))).toEqual([200, 200, 429]);
  expect((await health('other junk')).status).toBe(429);
});

test('of a hundred wrong keys at once those that still wait after twenty are refused unseen', async () => {
  medic = await startTestMedic({ MEDIC_TRUST_PROXY: '1', RATE_LIMIT_AUTH_FAILURE_REQUESTS: '20' });
  const fresh = await keyNamed('fresh', ['read']);
  const from = (address: string, headers: Record<string, string>) =>
    medic.call('GET', '/v2/services', undefined, { ...headers, 'x-forwarded-for': address });
  const guess = (n: number) => ({ authorization: `Bearer mdk_${String(n % 90).padStart(43, 'x')}` });
  const guesses = Array.from({ length: 100 }, (_, n) => from('198.51.100.1', guess(n)));
  const other = from('198.51.100.2', fresh);
  const sameKeyElsewhere = from('198.51.100.3', guess(80));
  const answers = await Promise.all(guesses);
  const refused = answers.filter(({ status }) => status === 429);
  const seen = answers.filter(({ status }) => status === 401);
  expect(seen.length + refused.length).toBe(100);
  expect(seen.length).toBeGreaterThanOrEqual(20);
  // Those whose turn it was already.
  expect(seen.length).toBeLessThanOrEqual(30);
  for (const answer of refused) {
    expect(limits(answer).slice(0, 2)).toEqual(['20', '0']);
    expect(answer.headers.get('retry-after')).toBe('60');
  }
  expect(await metric('medic_rate_limit_hits_total{endpoint_type="auth_failure"}')).toBe(`${refused.length}`);
  expect((await other).status).toBe(200);
  expect((await sameKeyElsewhere).status).toBe(401);
});

test('without authentication everyone counts by address', async () => {
  medic = await startTestMedic({ MEDIC_AUTH_MODE: 'off', RATE_LIMIT_MANAGEMENT_REQUESTS: '2' });
  expect(await times(3, () => medic.call('GET', '/v2/services', undefined, NO_KEY))).toEqual([200, 200, 429]);
});
