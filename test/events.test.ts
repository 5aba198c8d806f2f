import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApi } from '../src/api.ts';
import { EVENT_TYPES } from '../src/features/events/event.ts';
import { publishAll } from '../src/features/events/publish.ts';
import { type DatabasePool, sql } from '../src/platform/db.ts';
import { AUTHORIZATION } from './harness/admin.ts';
import { EventSource } from './harness/event-source.ts';
import { expectFailure, registered, resultsOf } from './harness/expectations.ts';
import { keyWith } from './harness/keys.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { mortal } from './harness/mortal-database.ts';
import { eventually } from './harness/process.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const open = (options = {}) => EventSource.open(medic.url, options);
const beat = (heartbeat_name: string, status = 'UP') =>
  medic.call('POST', '/heartbeat', { heartbeat_name, status });
const patch = async (id: number, body: unknown) =>
  resultsOf(await medic.call('PATCH', `/v2/services/${id}`, body));

/** A service as the stream shows it. */
async function shown(id: number) {
  const { entries } = resultsOf(await medic.call('GET', '/v2/services?limit=250&dir=desc'));
  const { ping_key, ping_url, ...service } = entries.find(
    (entry: { service_id: number }) => entry.service_id === id,
  );
  return service;
}

/** Another process on the same database. */
async function anotherApi(db = medic.connect(6)) {
  const parts = medic.another(db);
  const server = await createApi(parts, { migrated: true, stopping: false, workerAlive: () => true });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const close = async () => {
    await server.close();
    await db.end();
  };
  return { url, parts, close };
}

test('a service and its alert are told from the beginning to the end, each object as v2 answers it', async () => {
  const types = EVENT_TYPES.filter((type) => !type.startsWith('delivery.')).join();
  const source = await open({ types });
  expect(Object.fromEntries(source.headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  });
  const { service_id: id, heartbeat_name } = await registered(medic, { grace_period_seconds: 30 });
  const steps: [() => Promise<unknown>, string][] = [
    [async () => {}, 'service.created'],
    [() => beat(heartbeat_name), 'service.state up'],
    [() => beat(heartbeat_name, 'DEGRADED'), 'service.state degraded'],
    [() => beat(heartbeat_name, 'DEGRADED'), ''],
    [() => beat(heartbeat_name), 'service.state up'],
    [() => medic.advance('61s'), 'service.state late'],
    [() => beat(heartbeat_name), 'service.state up'],
    [() => medic.advance('60101ms'), 'service.state late'],
    [() => medic.advance('30s'), 'alert.opened 1,service.state down'],
    [() => beat(heartbeat_name, 'FAILED'), 'alert.updated 2'],
    [async () => acknowledge(id), 'alert.updated 2'],
    [() => beat(heartbeat_name), 'alert.closed 2,service.state up'],
    [() => patch(id, { priority: 'p1' }), 'service.updated'],
    [() => medic.call('POST', `/v2/services/${id}/mute`), 'service.updated'],
    [() => medic.call('POST', `/v2/services/${id}/unmute`), 'service.updated'],
    [() => patch(id, { active: false }), 'service.updated,service.state inactive'],
  ];
  for (const [step, expected] of steps) {
    const from = source.events.length;
    await step();
    const words = () =>
      source.events.slice(from).map(({ event, data: { data } }) => {
        if (event === 'service.state') return `${event} ${data.state}`;
        return event.startsWith('alert.') ? `${event} ${data.alert_cycle}` : event;
      });
    if (expected === '') await sleep(600);
    else await source.until(() => words().length >= expected.split(',').length);
    expect(words().toSorted().join()).toBe(expected.split(',').toSorted().join());
    for (const { id: position, event, data } of source.events.slice(from)) {
      expect(data).toMatchObject({ type: event, id: position });
      const drift = new Date(data.occurred_at).getTime() - medic.clock.now().getTime();
      expect(drift).toBeLessThanOrEqual(0);
      expect(drift).toBeGreaterThan(-1_000);
    }
    const newest = source.events.slice(from).findLast(({ event }) => event.startsWith('service.'));
    if (newest !== undefined) expect(newest.data.data).toEqual(await shown(id));
    const alert = source.events.slice(from).findLast(({ event }) => event.startsWith('alert.'));
    if (alert !== undefined) {
      // PagerDuty's answer came after the event.
      const external_reference_id = alert.data.data.external_reference_id;
      expect(alert.data.data).toEqual({ ...(await alertsOf(id))[0], external_reference_id });
    }
  }
  const { service_name } = await shown(id);
  resultsOf(await medic.call('DELETE', `/v2/services/${id}`));
  await source.until((events) => events.at(-1)?.event === 'service.deleted');
  expect(source.events.at(-1)?.data.data).toEqual({ service_id: id, heartbeat_name, service_name });
  expect(source.events.map((event) => event.id)).toEqual(
    source.events.map((event) => event.id).toSorted((a, b) => a - b),
  );
  await source.close();
});

test('a message is told when it is sent, and when it is given up, as its alert shows it', async () => {
  const { service_id, heartbeat_name } = await registered(medic);
  const source = await open({ types: 'delivery.updated' });
  const unhealthy = medic.pagerDuty.answer;
  medic.pagerDuty.answer = () => ({ status: 400, body: '{}' });
  await beat(heartbeat_name, 'DOWN');
  await medic.settle();
  medic.pagerDuty.answer = unhealthy;
  const [alert] = await alertsOf(service_id);
  // What earlier tests left behind is sent now, too.
  const ofAlert = () =>
    source.events.map(({ data }) => data.data).filter(({ alert_id }) => alert_id === alert.alert_id);
  await source.until(() => ofAlert().length === 2);
  const { notifications } = resultsOf(await medic.call('GET', `/v2/alerts/${alert.alert_id}`));
  const told = ofAlert();
  const byChannel = (one: { channel: string }, other: { channel: string }) =>
    one.channel.localeCompare(other.channel);
  expect(told.toSorted(byChannel)).toEqual(notifications.toSorted(byChannel));
  expect(told.toSorted(byChannel).map(({ channel, status }) => [channel, status])).toEqual([
    ['pagerduty', 'failed'],
    ['slack', 'success'],
  ]);
  await source.close();
  await beat(heartbeat_name);
});

const alertsOf = async (id: number) =>
  resultsOf(await medic.call('GET', `/v2/alerts?service_id=${id}`)).entries;

async function acknowledge(id: number) {
  const { active_alert_id } = resultsOf(await medic.call('GET', `/v2/services/${id}`));
  resultsOf(await medic.call('POST', `/v2/alerts/${active_alert_id}/acknowledge`, {}));
}

test('an alert that a maintenance window holds back is told as late, then as down', async () => {
  const { service_id, heartbeat_name } = await registered(medic, { alert_interval_seconds: 3600 });
  const source = await open({ types: 'service.state,alert.opened' });
  const from = medic.clock.now().getTime();
  const window = {
    name: 'planned',
    start_time: new Date(from - 1_000).toISOString(),
    end_time: new Date(from + 10_000).toISOString(),
    service_ids: [service_id],
  };
  resultsOf(await medic.call('POST', '/v2/maintenance-windows', window), 201);
  await beat(heartbeat_name, 'DOWN');
  await source.until((events) => events.length === 1);
  expect(source.events[0]?.data.data).toMatchObject({ service_id, state: 'late' });
  await medic.advance('11s');
  await source.until((events) => events.length === 3);
  expect(source.events.map(({ event }) => event)).toEqual(['service.state', 'alert.opened', 'service.state']);
  expect(source.events[2]?.data.data).toMatchObject({ service_id, state: 'down' });
  await source.close();
});

test('a mute that ends by itself is told', async () => {
  const { service_id } = await registered(medic);
  const source = await open({ types: 'service.updated' });
  resultsOf(await medic.call('POST', `/v2/services/${service_id}/mute`, { duration: '5s' }));
  await source.until((events) => events.some(({ data }) => data.data.muted));
  await medic.advance('6s');
  await source.until((events) => events.at(-1)?.data.data.muted === false);
  await source.close();
});

const written = async () => {
  const { rows } = await medic.db.query<{ n: number }>(sql`
    select last_value::int as n from pg_sequences where sequencename = 'event_outbox_outbox_id_seq'`);
  return rows[0]?.n ?? 0;
};

test('heartbeats that change no state write nothing for the stream', async () => {
  const { heartbeat_name } = await registered(medic, { threshold: 3 });
  await beat(heartbeat_name);
  const before = await written();
  for (let n = 0; n < 20; n += 1) await beat(heartbeat_name, n % 2 ? 'STARTED' : 'UP');
  expect(await written()).toBe(before);
});

test('a change arrives only after its commit, and one that commits late is not skipped', async () => {
  const [one, two] = [await registered(medic), await registered(medic)];
  const source = await open({ types: 'service.updated' });
  const setTeam = (db: { query: DatabasePool['query'] }, id: number, team: string) =>
    db.query(sql`update medic.services set team = ${team} where service_id = ${id}`);
  let resumeFrom = '';
  await medic.db.transaction(async (slow) => {
    await setTeam(slow, one.service_id, 'slow');
    await setTeam(medic.db, two.service_id, 'fast');
    await source.until((events) => events.length === 1);
    await sleep(600);
    expect(source.events.map(({ data }) => data.data.team)).toEqual(['fast']);
    resumeFrom = source.lastEventId;
  });
  await source.until((events) => events.length === 2);
  expect(source.events.map(({ data }) => data.data.team)).toEqual(['fast', 'slow']);
  // Also for a reader that was away meanwhile.
  const later = await open({ types: 'service.updated', lastEventId: resumeFrom });
  await later.until((events) => events.length === 1);
  expect(later.events).toEqual(source.events.slice(1));
  await Promise.all([source.close(), later.close()]);
});

test('what was rolled back is never told', async () => {
  const source = await open();
  const failing = medic.db.transaction(async (tx) => {
    await tx.query(sql`update medic.services set team = 'never'`);
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  const { service_id } = await registered(medic);
  await source.until((events) => events.length > 0);
  expect(source.events.map(({ event }) => event)).toEqual(['service.created']);
  expect(source.about('service_id', service_id)).toEqual(['service.created']);
  await source.close();
});

test('two processes tell their readers the same, in the same order, within a second', async () => {
  const other = await anotherApi();
  const sources = [await open(), await EventSource.open(other.url)];
  const services = await Promise.all(Array.from({ length: 4 }, () => registered(medic)));
  const changes = 40;
  await Promise.all(
    Array.from({ length: changes }, (_, n) => {
      const { service_id } = services[n % services.length];
      const url = n % 3 ? medic.url : other.url;
      const init = { method: 'PATCH', body: JSON.stringify({ service_name: `name ${n}` }) };
      return fetch(`${url}/v2/services/${service_id}`, {
        ...init,
        headers: { authorization: AUTHORIZATION },
      });
    }),
  );
  for (const source of sources) {
    await source.until((events) => events.length >= services.length + changes, 1_500);
    for (const { service_id } of services) {
      expect(source.about('service_id', service_id)).toEqual([
        'service.created',
        ...Array(changes / services.length).fill('service.updated'),
      ]);
      const last = source.events.findLast(({ data }) => data.data.service_id === service_id);
      expect(last?.data.data).toEqual(await shown(service_id));
    }
  }
  expect(sources[0]?.events).toEqual(sources[1]?.events);
  await Promise.all(sources.map((source) => source.close()));
  await other.close();
});

test('four publishers at once publish every change once, those of one object in order', async () => {
  await publishAll(medic.parts.context);
  const { rows } = await medic.db.query<{ last: number }>(sql`
    select coalesce(max(position), 0) as last from medic.events`);
  const { service_id } = await registered(medic);
  const total = 2_000;
  await medic.db.query(sql`
    insert into medic.event_outbox (transaction_id, type, object_id, remains)
    select n::text::xid8, 'service.deleted', ${service_id}::int + n % 7, jsonb_build_object('n', n)
    from generate_series(1, ${total}::int) n`);
  const publishers = Array.from({ length: 4 }, () => medic.connect(2));
  await eventually('all published', 20_000, async () => {
    await Promise.all(publishers.map((db) => publishAll({ ...medic.parts.context, db })));
    const left = await medic.db.query(sql`select from medic.event_outbox`);
    return left.rowCount === 0;
  });
  const told = await medic.db.query<{ n: number }>(sql`
    select (data->>'n')::int as n from medic.events
    where position > ${rows[0]?.last} and data ? 'n' order by position`);
  expect(told.rows.map(({ n }) => n)).toEqual(Array.from({ length: total }, (_, n) => n + 1));
  await Promise.all(publishers.map((db) => db.end()));
});

test('a publisher that dies at any of its statements loses nothing and tells nothing twice', async () => {
  await publishAll(medic.parts.context);
  for (let statement = 1; statement < 20; statement += 1) {
    for (const when of ['before', 'after'] as const) {
      const { service_id } = await registered(medic);
      await patch(service_id, { priority: 'p2' });
      const db = medic.connect(1);
      const database = mortal(db);
      database.die({ statement, when });
      await publishAll({ ...medic.parts.context, db }).catch(() => {});
      await db.end().catch(() => {});
      // The server notices the lost connection by and by; until then its lock keeps others from publishing.
      const told = await eventually('published', 5_000, async () => {
        await publishAll(medic.parts.context);
        const { rows } = await medic.db.query<{ type: string }>(sql`
          select type from medic.events where (data->>'service_id')::int = ${service_id} order by position`);
        return rows.length >= 2 && rows.map(({ type }) => type);
      });
      expect(told, `${when} statement ${statement}`).toEqual(['service.created', 'service.updated']);
      if (!database.dead) return;
    }
  }
  throw new Error('it never got to its end');
});

test('a reader that was away resumes, also at another process, without a gap and without repetition', async () => {
  const first = await open();
  const { service_id } = await registered(medic);
  await first.until((events) => events.length === 1);
  await first.close();
  const names = ['a', 'b', 'c'];
  for (const service_name of names) await patch(service_id, { service_name });
  const other = await anotherApi();
  for (const url of [medic.url, other.url]) {
    const again = await EventSource.open(url, { lastEventId: first.lastEventId });
    await again.until((events) => events.length === 3);
    expect(again.about('service_id', service_id)).toEqual(Array(3).fill('service.updated'));
    await again.close();
  }
  await other.close();
});

test('a reader that has received nothing yet knows from where to resume', async () => {
  const first = await open({ types: 'alert.opened' });
  await eventually('a position', 2_000, () => first.lastEventId !== '');
  await first.close();
  const { service_id } = await registered(medic);
  const again = await open({ lastEventId: first.lastEventId });
  await again.until((events) => events.length > 0);
  expect(again.about('service_id', service_id)).toEqual(['service.created']);
  await again.close();
});

test.each(['999999999', 'abc', '-1', '1.5', '9'.repeat(30), "1' or 1=1"])(
  'from the unknown position %j the first event is reset, and later ones follow',
  async (lastEventId) => {
    const source = await open({ lastEventId, types: 'service.created' });
    await source.until((events) => events.length === 1);
    expect(source.events[0]).toMatchObject({ event: 'reset', data: { type: 'reset', data: null } });
    await registered(medic);
    await source.until((events) => events.length === 2);
    expect(source.events[1]?.event).toBe('service.created');
    await source.close();
  },
);

test('the last thousand events can be resumed from, and no more', async () => {
  const append = (count: number) =>
    medic.db.query(sql`
      insert into medic.events (type, occurred_at, data)
      select 'service.deleted', ${medic.clock.now()}, jsonb_build_object('n', n)
      from generate_series(1, ${count}::int) n returning position`);
  const { rows } = await append(1_200);
  const positions = rows.map((row) => Number(row.position));
  const other = await anotherApi();
  for (const [url, name] of [
    [medic.url, 'this'],
    [other.url, 'another'],
  ] as const) {
    const from = (index: number) => EventSource.open(url, { lastEventId: positions.at(index) ?? 0 });
    const [far, near] = [await from(-1_002), await from(-1_001)];
    await far.until((events) => events.length > 0);
    expect(far.events[0]?.event, name).toBe('reset');
    await near.until((events) => events.length === 1_000);
    expect(near.events.map(({ id }) => id)).toEqual(positions.slice(-1_000));
    await Promise.all([far.close(), near.close()]);
  }
  await other.close();
});

test('types are a comma list, in any case; one that does not exist is refused', async () => {
  const source = await open({ types: 'Service.Deleted,%20service.created' });
  const { service_id } = await registered(medic);
  await patch(service_id, { priority: 'p1' });
  resultsOf(await medic.call('DELETE', `/v2/services/${service_id}`));
  await source.until((events) => events.length === 2);
  expect(source.about('service_id', service_id)).toEqual(['service.created', 'service.deleted']);
  await source.close();
  for (const types of ['service', '', ',', 'service.created,', 'reset', 'x'.repeat(2_000)]) {
    expectFailure(await medic.call('GET', `/v2/events?types=${types}`), 400, 'types');
  }
  expectFailure(await medic.call('GET', '/v2/events?type=x'), 400, 'type');
});

test('HEAD answers without opening a stream', async () => {
  const response = await medic.fetch('/v2/events', { method: 'HEAD' });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
});

test('a caller without read is not let in', async () => {
  const writer = await keyWith(medic, ['write']);
  expectFailure(
    await medic.call('GET', '/v2/events', undefined, { authorization: writer.authorization }),
    403,
    'read',
  );
  expectFailure(await medic.call('GET', '/v2/events', undefined, { authorization: 'none' }), 401);
});

test.each([
  ['revoked', 'delete from medic.api_keys where api_key_id = $1'],
  ['narrowed', `update medic.api_keys set scopes = '{write}' where api_key_id = $1`],
  ['rotated', `update medic.api_keys set key_hash = 'another' where api_key_id = $1`],
  ['expired', `update medic.api_keys set expires_at = '2000-01-01' where api_key_id = $1`],
])('the stream of a key that is %s ends within 5 s, that of another key does not', async (_what, text) => {
  const [key, other] = [await keyWith(medic, ['read']), await keyWith(medic, ['read'])];
  const source = await open({ authorization: key.authorization });
  const untouched = await open({ authorization: other.authorization });
  const from = performance.now();
  await medic.db.query({ text, values: [key.id] });
  expect(await source.ended).toBe('ended');
  expect(performance.now() - from).toBeLessThan(5_000);
  await registered(medic);
  await untouched.until((events) => events.length > 0);
  await untouched.close();
});

test('the stream of a session ends within 5 s after the logout, that of its key does not', async () => {
  const { key, authorization } = await keyWith(medic, ['read']);
  const login = await medic.call('POST', '/v2/session', { api_key: key });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  const source = await open({ cookie, authorization: null });
  const untouched = await open({ authorization });
  const logout = await fetch(`${medic.url}/v2/session`, {
    method: 'DELETE',
    headers: { cookie, 'x-medic-csrf': '1' },
  });
  expect(logout.status).toBe(200);
  const from = performance.now();
  expect(await source.ended).toBe('ended');
  expect(performance.now() - from).toBeLessThan(5_000);
  await registered(medic);
  await untouched.until((events) => events.length > 0);
  await untouched.close();
});

/** A reader that takes the first bytes and nothing more. */
async function stuckReader(url: string): Promise<net.Socket> {
  const { port, hostname } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(`GET /v2/events HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZATION}\r\n\r\n`);
  await once(socket, 'readable');
  return socket;
}

test('of a hundred readers that do not read each holds little, and is disconnected; one that reads misses nothing', async () => {
  const stuck = await Promise.all(Array.from({ length: 100 }, () => stuckReader(medic.url)));
  const source = await open({ types: 'service.deleted' });
  const total = 6_000;
  const before = process.memoryUsage().rss;
  let sent = 0;
  while (sent < total) {
    await medic.db.query(sql`
      insert into medic.events (type, occurred_at, data)
      select 'service.deleted', ${medic.clock.now()}, jsonb_build_object('n', n, 'filler', repeat('x', 10000))
      from generate_series(${sent + 1}::int, ${sent + 500}::int) n`);
    sent += 500;
    await source.until((events) => events.at(-1)?.data.data.n === sent, 20_000);
  }
  expect(source.events.map(({ data }) => data.data.n)).toEqual(
    Array.from({ length: total }, (_, n) => n + 1),
  );
  // 60 MB of events: unbounded, a hundred readers would hold 6 GB.
  expect(process.memoryUsage().rss - before).toBeLessThan(600 * 1024 * 1024);
  const ends = stuck.map(async (socket) => {
    socket.resume();
    if (!socket.closed) await once(socket, 'close');
  });
  await Promise.all(ends);
  await source.close();
});

test('one key does not take the streams of all others', async () => {
  const { authorization } = await keyWith(medic, ['read']);
  const sources = await Promise.all(Array.from({ length: 250 }, () => open({ authorization })));
  const refused = await medic.call('GET', '/v2/events', undefined, { authorization });
  expectFailure(refused, 503, 'Too many event streams');
  expect(refused.headers.get('retry-after')).toBe('1');
  (await open()).close();
  sources.pop()?.close();
  await eventually('room for one', 5_000, async () => {
    const next = await open({ authorization }).catch(() => undefined);
    next?.close();
    return next !== undefined;
  });
  for (const source of sources) source.close();
});

test('readers that come and go leave nothing behind', async () => {
  const { port, hostname } = new URL(medic.url);
  for (let n = 0; n < 50; n += 1) {
    const socket = net.connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(`GET /v2/events HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZATION}\r\n\r\n`);
    await sleep(n % 10);
    socket.destroy();
  }
  await eventually('no reader', 5_000, () => medic.parts.events.readers === 0);
});

test('while the database is away readers stay, and new ones are asked to try again', async () => {
  const db = medic.connect(6);
  const database = mortal(db);
  const other = await anotherApi(db);
  const source = await EventSource.open(other.url);
  database.die({ statement: 1, when: 'before' });
  await database.death;
  const refused = await fetch(`${other.url}/v2/events`, { headers: { authorization: AUTHORIZATION } });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
  const { service_id } = await registered(medic);
  database.die(undefined);
  await source.until((events) => events.length > 0);
  expect(source.about('service_id', service_id)).toEqual(['service.created']);
  await source.close();
  await other.close();
});

test('a server that stops ends its streams in order and does not wait for those who do not read', async () => {
  const other = await anotherApi();
  const source = await EventSource.open(other.url);
  const stuck = await stuckReader(other.url);
  const from = performance.now();
  await other.close();
  expect(performance.now() - from).toBeLessThan(3_000);
  expect(await source.ended).toBe('ended');
  stuck.destroy();
});

test('a process that was too slow to read events that are gone sends its readers to read everything anew', async () => {
  const source = await open();
  await medic.db.transaction(async (tx) => {
    await tx.query(sql`
      insert into medic.events (type, occurred_at, data)
      select 'service.deleted', ${medic.clock.now()}, '{}' from generate_series(1, 3000)`);
    await tx.query(sql`
      delete from medic.events where position <= (select max(position) - 2000 from medic.events)`);
  });
  expect(await source.ended).toBe('broken');
  const again = await open({ lastEventId: source.lastEventId });
  await again.until((events) => events[0]?.event === 'reset');
  await again.close();
});

test('a comment every 15 s keeps the connection, and tells from where to resume', async () => {
  const source = await open({ types: 'alert.opened' });
  await eventually('the first comment', 2_000, () => source.comments === 1);
  const { comments, lastEventId } = source;
  await registered(medic);
  await eventually('a comment', 16_000, () => source.comments > comments);
  expect(Number(source.lastEventId)).toBeGreaterThan(Number(lastEventId));
  expect(source.events).toEqual([]);
  await source.close();
});
