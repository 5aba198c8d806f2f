import { hash } from '@node-rs/argon2';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createApi } from '../../src/api.ts';
import { newKey } from '../../src/features/access/key.ts';
import { watchKeys } from '../../src/features/access/watch.ts';
import { sql } from '../../src/platform/db.ts';
import { ADMIN_KEY } from '../harness/admin.ts';
import { registered } from '../harness/expectations.ts';
import { keyWith } from '../harness/keys.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';
import { mortal } from '../harness/mortal-database.ts';
import { eventually } from '../harness/process.ts';

const ALIVE = { migrated: true, stopping: false, workerAlive: () => true };

let medic: TestMedic;
const closing: (() => Promise<unknown>)[] = [];
async function start(environment: Record<string, string> = {}): Promise<void> {
  medic = await startTestMedic(environment);
}
beforeEach(() => start());
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await medic.close();
});

const list = (authorization: string) => medic.call('GET', '/v2/services', undefined, { authorization });
const statusOf = async (authorization: string) => (await list(authorization)).status;

test('the scheme is read in any case, with any blanks between the two parts', async () => {
  for (const header of [
    `Bearer ${ADMIN_KEY}`,
    `bearer ${ADMIN_KEY}`,
    `BEARER \t ${ADMIN_KEY}`,
    `bEaReR  ${ADMIN_KEY}`,
  ]) {
    expect(await statusOf(header), header).toBe(200);
  }
});

test('what is not a scheme and a key is a missing key', async () => {
  const headers = {
    '': 'nothing',
    Bearer: 'no key',
    [`Basic ${ADMIN_KEY}`]: 'another scheme',
    [ADMIN_KEY]: 'no scheme',
    [`Bearer ${ADMIN_KEY} x`]: 'three parts',
    [`Bearer${ADMIN_KEY}`]: 'no blank',
    [`Token Bearer ${ADMIN_KEY}`]: 'a word before',
  };
  for (const [header, what] of Object.entries(headers)) {
    const { status, body } = await list(header);
    expect(status, what).toBe(401);
    expect(body.message, what).toContain('Missing or invalid Authorization header');
  }
});

test('only the whole key is the key, and what was sent instead is not logged', async () => {
  const keys = {
    mdk_: 'nothing behind the prefix',
    [ADMIN_KEY.slice(0, -1)]: 'one character less',
    [`${ADMIN_KEY}A`]: 'one more',
    [ADMIN_KEY.toUpperCase()]: 'other case',
    [`${ADMIN_KEY.slice(0, 12)}${newKey().slice(12)}`]: 'only the prefix right',
    [newKey()]: 'unknown',
    "mdk_'or'1'='1'--": 'SQL',
    [`mdk_${'é'.repeat(40)}`]: 'other characters',
    [`mdk_${'A'.repeat(8000)}`]: 'very long',
  };
  for (const [key, what] of Object.entries(keys)) {
    const { status, body } = await list(Buffer.from(`Bearer ${key}`).toString('latin1'));
    expect(status, what).toBe(401);
    expect(body.message, what).toBe('Invalid API key');
    if (key !== 'mdk_') expect(JSON.stringify(medic.lines), what).not.toContain(key.slice(4));
  }
});

test('a key expires at its instant, cached or not, and only the whole key is told so', async () => {
  const expiresAt = new Date(medic.clock.now().getTime() + 10_000);
  const { authorization } = await keyWith(medic, ['read'], { expiresAt });
  expect(await statusOf(authorization)).toBe(200);
  medic.clock.advance(9_999);
  expect(await statusOf(authorization)).toBe(200);
  medic.clock.advance(1);
  const expired = await list(authorization);
  expect(expired.status).toBe(401);
  expect(expired.body.message).toContain('expired');
  medic.clock.advance(120_000);
  expect((await list(authorization)).body.message).toContain('expired');
  expect((await list(`${authorization.slice(0, 30)}${newKey()}`)).body.message).toContain('Invalid API key');
});

test('an expiry that cannot be read as an instant counts as expired', async () => {
  const { authorization, id } = await keyWith(medic, ['read']);
  await medic.db.query(sql`update medic.api_keys set expires_at = 'infinity' where api_key_id = ${id}`);
  expect((await list(authorization)).body.message).toContain('expired');
});

test('a hash of lower cost is renewed at the next use, and the key goes on working', async () => {
  const { key, id, authorization } = await keyWith(medic, ['read']);
  const weak = await hash(key, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
  await medic.db.query(sql`update medic.api_keys set key_hash = ${weak} where api_key_id = ${id}`);
  expect(await statusOf(authorization)).toBe(200);
  const { rows } = await medic.db.query<{ key_hash: string }>(sql`
    select key_hash from medic.api_keys where api_key_id = ${id}`);
  expect(rows[0]?.key_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  medic.parts.keys.forget(id);
  expect(await statusOf(authorization)).toBe(200);
});

test('a hash that cannot be renewed now lets its key in all the same', async () => {
  const { key, id, authorization } = await keyWith(medic, ['read']);
  const weak = await hash(key, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
  await medic.db.query(sql`update medic.api_keys set key_hash = ${weak} where api_key_id = ${id}`);
  await medic.db.query(sql`
    create function medic.refuse() returns trigger language plpgsql as $$ begin raise 'read-only'; end $$`);
  await medic.db.query(sql`
    create trigger refuse before update on medic.api_keys for each row execute function medic.refuse()`);
  expect(await statusOf(authorization)).toBe(200);
  await medic.db.query(sql`drop function medic.refuse cascade`);
  medic.parts.keys.forget(id);
  expect(await statusOf(authorization)).toBe(200);
  const { rows } = await medic.db.query<{ key_hash: string }>(sql`
    select key_hash from medic.api_keys where api_key_id = ${id}`);
  expect(rows[0]?.key_hash).toContain('m=19456');
});

test('a hash that cannot be read never matches, and is told in the log by its id', async () => {
  const { authorization, id } = await keyWith(medic, ['read'], { hash: 'not a hash' });
  expect(await statusOf(authorization)).toBe(401);
  expect(medic.lines).toContainEqual(
    expect.objectContaining({ level: 'WARNING', logger: 'medic.access', api_key_id: id }),
  );
});

test('a key that comes a hundred times at once is verified once', async () => {
  const { authorization } = await keyWith(medic, ['read']);
  const { keys } = medic.parts;
  const original = keys.hasher.verify.bind(keys.hasher);
  let verifications = 0;
  keys.hasher.verify = (...how) => {
    verifications += 1;
    return original(...how);
  };
  const statuses = await Promise.all(Array.from({ length: 100 }, () => statusOf(authorization)));
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(await statusOf(authorization)).toBe(200);
  expect(verifications).toBe(1);
  medic.clock.advance(60_000);
  expect(await statusOf(authorization)).toBe(200);
  expect(verifications).toBe(2);
  // In use, it is verified again before the minute is over.
  medic.clock.advance(50_000);
  expect(await statusOf(authorization)).toBe(200);
  expect(verifications).toBe(3);
});

test('a key that was right a minute ago does not wait behind guesses', async () => {
  const { keys } = medic.parts;
  const { key } = await keyWith(medic, ['read']);
  await keys.verify(key);
  medic.clock.advance(120_000);
  const order: string[] = [];
  const guesses = Array.from({ length: 90 }, () => keys.verify(newKey()).then(() => order.push('guess')));
  await Promise.all([...guesses, keys.verify(key).then(() => order.push('right'))]);
  expect(order.indexOf('right')).toBeLessThan(10);
});

test('of five hundred different keys at once a hundred wait to be verified, the rest is asked to try again', async () => {
  const statuses = await Promise.all(Array.from({ length: 500 }, () => statusOf(`Bearer ${newKey()}`)));
  const count = (status: number) => statuses.filter((one) => one === status).length;
  expect(count(401) + count(503)).toBe(500);
  expect(count(401)).toBeGreaterThan(100);
  expect(await statusOf(`Bearer ${ADMIN_KEY}`)).toBe(200);
});

test('revocation, narrowing and rotation by another process take effect within five seconds', async () => {
  const other = medic.another();
  const server = await createApi(other, ALIVE);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const watching = watchKeys(other.context, other.keys, stop.signal);
  closing.push(async () => {
    stop.abort();
    await watching;
    await server.close();
  });
  const ask = async (authorization: string, path = '/v2/services') =>
    (await fetch(url + path, { headers: { authorization } })).status;

  const revoked = await keyWith(medic, ['read']);
  const narrowed = await keyWith(medic, ['read', 'write']);
  const rotated = await keyWith(medic, ['read']);
  for (const { authorization } of [revoked, narrowed, rotated]) expect(await ask(authorization)).toBe(200);
  await medic.db.query(sql`delete from medic.api_keys where api_key_id = ${revoked.id}`);
  await medic.db.query(sql`update medic.api_keys set scopes = '{write}' where api_key_id = ${narrowed.id}`);
  await medic.db.query(sql`update medic.api_keys set key_hash = 'another' where api_key_id = ${rotated.id}`);
  await eventually('the changes take effect', 5_000, async () => {
    const statuses = [
      await ask(revoked.authorization),
      await ask(narrowed.authorization),
      await ask(rotated.authorization),
    ];
    return String(statuses) === '401,403,401';
  });
});

test('without notifications the next look at the database finds revoked keys', async () => {
  const { authorization, id } = await keyWith(medic, ['read']);
  expect(await statusOf(authorization)).toBe(200);
  await medic.db.query(sql`delete from medic.api_keys where api_key_id = ${id}`);
  expect(await statusOf(authorization)).toBe(200);
  await medic.parts.keys.refresh();
  expect(await statusOf(authorization)).toBe(401);
});

test('a last use that could not be written is written the next time', async () => {
  const { id, authorization } = await keyWith(medic, ['read']);
  expect(await statusOf(authorization)).toBe(200);
  await medic.db.query(sql`alter table medic.api_keys rename to away`);
  await expect(medic.parts.keys.recordUse()).rejects.toThrow();
  await medic.db.query(sql`alter table medic.away rename to api_keys`);
  await medic.parts.keys.recordUse();
  const { rows } = await medic.db.query<{ last_used_at: Date }>(sql`
    select last_used_at from medic.api_keys where api_key_id = ${id}`);
  expect(rows[0]?.last_used_at).toEqual(medic.clock.now());
});

test('the last use of a key is written in batches', async () => {
  const { authorization, id } = await keyWith(medic, ['read']);
  for (let n = 0; n < 3; n += 1) expect(await statusOf(authorization)).toBe(200);
  const lastUse = async () =>
    (
      await medic.db.query<{ last_used_at: Date | null }>(sql`
      select last_used_at from medic.api_keys where api_key_id = ${id}`)
    ).rows[0]?.last_used_at;
  expect(await lastUse()).toBeNull();
  await medic.parts.keys.recordUse();
  expect(await lastUse()).toEqual(medic.clock.now());
});

test('a database that is away is 503, never 401', async () => {
  const db = medic.connect();
  const life = mortal(db);
  const server = await createApi(medic.another(db), ALIVE);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  closing.push(async () => {
    await server.close();
    await db.end();
  });
  life.die({ statement: 1, when: 'before' });
  const { authorization } = await keyWith(medic, ['read']);
  for (const header of [authorization, `Bearer ${newKey()}`]) {
    const response = await fetch(`${url}/v2/services`, { headers: { authorization: header } });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
  }
});

test('every refusal is counted under its reason, and reasons without any are there with 0', async () => {
  const page = async () => (await medic.call('GET', '/metrics')).body as string;
  for (const reason of ['missing_key', 'invalid_key', 'expired_key', 'insufficient_scope']) {
    expect(await page()).toContain(`medic_auth_failures_total{reason="${reason}"} 0`);
  }
  const { authorization } = await keyWith(medic, ['read']);
  await list('');
  await list(`Bearer ${newKey()}`);
  await medic.call('DELETE', '/v2/services/1', undefined, { authorization });
  const { authorization: old } = await keyWith(medic, ['read'], { expiresAt: medic.clock.now() });
  await list(old);
  for (const reason of ['missing_key', 'invalid_key', 'expired_key', 'insufficient_scope']) {
    expect(await page()).toContain(`medic_auth_failures_total{reason="${reason}"} 1`);
  }
});

test('with open-ingest only heartbeats and job signals need no key', async () => {
  await medic.close();
  await start({ MEDIC_AUTH_MODE: 'Open-Ingest' });
  const { service_id } = await registered(medic, { heartbeat_name: 'watched' });
  const none = { authorization: 'none' };
  const beat = { heartbeat_name: 'watched', service_name: '', status: 'UP' };
  for (const path of ['/heartbeat', '/v1/heartbeat']) {
    expect((await medic.call('POST', path, beat, none)).status, path).toBe(201);
  }
  for (const signal of ['start', 'complete', 'fail']) {
    const path = `/v2/heartbeat/${service_id}/${signal}`;
    expect((await medic.call('POST', path, { run_id: 'r' }, none)).status, path).toBe(201);
  }
  for (const path of ['/heartbeat', '/service', '/alerts', '/v2/services', '/v2/alerts']) {
    expect((await medic.call('GET', path, undefined, none)).status, path).toBe(401);
  }
  expect((await medic.call('POST', '/service', {}, none)).status).toBe(401);
  // A wrong key is refused all the same; a right one may send a heartbeat whatever its scopes.
  const wrong = { authorization: `Bearer ${newKey()}` };
  expect((await medic.call('POST', '/heartbeat', beat, wrong)).status).toBe(401);
  const { authorization } = await keyWith(medic, ['read']);
  expect((await medic.call('POST', '/heartbeat', beat, { authorization })).status).toBe(201);
});

test('with authentication off everyone may do everything as anonymous, but a wrong key is refused', async () => {
  await medic.close();
  await start({ MEDIC_AUTH_MODE: 'off' });
  const none = { authorization: 'none' };
  const fields = { heartbeat_name: 'watched', service_name: 'x', alert_interval_seconds: 60 };
  expect((await medic.call('POST', '/v2/services', fields, none)).status).toBe(201);
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'watched', status: 'DOWN' }, none);
  const acknowledged = await medic.call('POST', '/v2/alerts/1/acknowledge', {}, none);
  expect(acknowledged.body.results.acknowledged_by).toBe('anonymous');
  expect(await statusOf(`Bearer ${newKey()}`)).toBe(401);
});

test('the name of the key is the actor of what it does', async () => {
  await registered(medic, { heartbeat_name: 'watched' });
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'watched', status: 'DOWN' });
  const { authorization, name } = await keyWith(medic, ['read', 'write'], { name: 'night shift' });
  const answer = await medic.call(
    'POST',
    '/v2/alerts/1/acknowledge',
    {},
    { authorization, 'x-actor': 'somebody else' },
  );
  expect(answer.body.results.acknowledged_by).toBe(name);
});
