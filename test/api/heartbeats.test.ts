import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { expectFailure, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const beat = (body?: unknown) => medic.call('POST', '/heartbeat', body);
const events = async (query: string) => resultsOf(await medic.call('GET', `/heartbeat?${query}`));

const STATUSES = ['UP', 'DEGRADED', 'STARTED', 'COMPLETED', 'DOWN', 'FAILED'];

test('a recorded heartbeat answers 201 with empty results, and is shown with exactly the listed members', async () => {
  const { heartbeat_name, service_id } = await registered(medic, { team: 'payments', priority: 'p1' });
  const answer = await beat({ heartbeat_name, status: 'up', run_id: 'run-1', service_name: 'ignored' });
  expect(resultsOf(answer, 201)).toBe('');
  expect(await events(`heartbeat_name=${heartbeat_name}`)).toEqual([
    {
      heartbeat_id: expect.any(Number),
      heartbeat_name,
      service_name: 'Service',
      time: medic.clock.now().toISOString(),
      status: 'UP',
      team: 'payments',
      priority: 'p1',
      run_id: 'run-1',
    },
  ]);
  expect(resultsOf(await medic.call('GET', `/v2/services/${service_id}`))).toMatchObject({
    last_heartbeat: medic.clock.now().toISOString(),
    last_status: 'UP',
  });
});

test.each(STATUSES)(
  'the status %s is taken in any letter case and returned in upper case',
  async (status) => {
    const { heartbeat_name } = await registered(medic);
    for (const spelling of [status, status.toLowerCase(), `${status[0]}${status.slice(1).toLowerCase()}`]) {
      expect((await beat({ heartbeat_name: heartbeat_name.toUpperCase(), status: spelling })).status).toBe(
        201,
      );
    }
    const stored = await events(`heartbeat_name=${heartbeat_name}`);
    expect(stored.map((event: { status: string }) => event.status)).toEqual([status, status, status]);
  },
);

test.each(['OK', '', 'UP ', ' UP', 'ſTARTED', 'faıled', 'U', 1, true, null, ['UP'], {}])(
  'the status %j is refused',
  async (status) => {
    const { heartbeat_name } = await registered(medic);
    const words = typeof status === 'string' ? STATUSES : [];
    expectFailure(await beat({ heartbeat_name, status }), 400, 'status', 'heartbeat_name', ...words);
    expect(await events(`heartbeat_name=${heartbeat_name}`)).toEqual([]);
  },
);

test.each<[string, unknown]>([
  ['heartbeat_name', ''],
  ['heartbeat_name', 'x'.repeat(256)],
  ['heartbeat_name', 'a\0'],
  ['heartbeat_name', '\ud800'],
  ['heartbeat_name', 5],
  ['heartbeat_name', null],
  ['run_id', ''],
  ['run_id', 'x'.repeat(256)],
  ['run_id', 'a\0'],
  ['run_id', '\udc00'],
  ['run_id', 7],
  ['run_id', null],
  ['message', 5],
  ['message', null],
  ['message', { text: 'x' }],
  ['service_name', 5],
  ['service_name', null],
  ['time', '2040-01-01'],
  ['environment', 'prod'],
])('a heartbeat whose %s is %j is refused by name, with both required members', async (member, value) => {
  const { heartbeat_name } = await registered(medic);
  const answer = await beat({ heartbeat_name, status: 'UP', [member]: value });
  expectFailure(answer, 400, member, 'heartbeat_name', 'status');
  expect(await events(`heartbeat_name=${heartbeat_name}`)).toEqual([]);
});

test('missing members, malformed JSON and what is no object are refused', async () => {
  for (const body of [{}, undefined, { status: 'UP' }, { heartbeat_name: 'x' }]) {
    expectFailure(await beat(body), 400, 'heartbeat_name', 'status');
  }
  for (const body of [
    '{',
    '[]',
    '"text"',
    '5',
    'null',
    'true',
    '{"heartbeat_name":"a",}',
    "{'a':1}",
    'status=UP',
  ]) {
    expectFailure(await beat(body), 400);
  }
});

test('an unknown name answers 404 with the name, an inactive service 400', async () => {
  expectFailure(
    await beat({ heartbeat_name: 'no-such-thing', status: 'UP' }),
    404,
    'no-such-thing',
    'not registered',
  );
  const { heartbeat_name } = await registered(medic, { active: false });
  expectFailure(await beat({ heartbeat_name, status: 'UP' }), 400, 'inactive');
  expectFailure(await beat({ heartbeat_name, status: 'DOWN' }), 400, 'inactive');
  expect(await events(`heartbeat_name=${heartbeat_name}`)).toEqual([]);
});

async function storedMessage(heartbeatName: string): Promise<string | null | undefined> {
  const { rows } = await medic.db.query<{ message: string | null }>(sql`
    select message from medic.heartbeats join medic.services using (service_id)
    where heartbeat_name = ${heartbeatName} order by heartbeat_id desc limit 1`);
  return rows[0]?.message;
}

test.each<[string, string, string]>([
  ['ASCII', 'x'.repeat(10_241), 'x'.repeat(10_240)],
  ['exactly the limit', 'x'.repeat(10_240), 'x'.repeat(10_240)],
  ['two bytes across the limit', `${'x'.repeat(10_239)}é`, 'x'.repeat(10_239)],
  ['two bytes up to the limit', `${'x'.repeat(10_238)}éy`, `${'x'.repeat(10_238)}é`],
  ['three bytes across the limit', `${'x'.repeat(10_238)}€`, 'x'.repeat(10_238)],
  ['four bytes across the limit', `${'x'.repeat(10_237)}😀`, 'x'.repeat(10_237)],
  ['four bytes up to the limit', `${'x'.repeat(10_236)}😀y`, `${'x'.repeat(10_236)}😀`],
  ['only emoji', '😀'.repeat(5000), '😀'.repeat(2560)],
  ['NUL and control characters', 'a\0b\u0001\u001bc\r\n', 'ab\u0001\u001bc\r\n'],
  ['half a surrogate pair', 'a\ud800b', 'a\ufffdb'],
  ['empty', '', ''],
])('a message of %s is kept up to 10 240 bytes, cut at a character', async (_case, message, kept) => {
  const { heartbeat_name } = await registered(medic);
  expect((await beat({ heartbeat_name, status: 'UP', message })).status).toBe(201);
  expect(await storedMessage(heartbeat_name)).toBe(kept);
});

test.each([
  "Robert'); drop table medic.services;--",
  '.*+?^$(){1}|[]\\',
  '%_%',
  '{"a":1}',
  '<img onerror=alert(1)>',
  '😀 Überwachung 日本語',
  'a\u200db\u202ec',
  '__proto__',
  'constructor',
  '..',
  'x'.repeat(255),
  '💣'.repeat(255),
])('the name %j is one service everywhere', async (heartbeat_name) => {
  const { service_id } = await registered(medic, { heartbeat_name });
  expect((await beat({ heartbeat_name, status: 'UP' })).status).toBe(201);
  const query = encodeURIComponent(heartbeat_name);
  expect(await events(`heartbeat_name=${query}`)).toMatchObject([{ heartbeat_name, status: 'UP' }]);
  // A URL parser resolves the dots before they reach the server.
  const path = heartbeat_name === '..' ? '/v2/services?heartbeat_name=..' : `/service/${query}`;
  const found = resultsOf(await medic.call('GET', path));
  expect(Array.isArray(found) ? found : found.entries).toMatchObject([{ service_id, heartbeat_name }]);
});

test('events are newest first and filtered by name in any case, and by the exact service name', async () => {
  const first = await registered(medic, { service_name: 'Pair' });
  const second = await registered(medic, { service_name: 'Pair' });
  for (const { heartbeat_name } of [first, second, first]) {
    await beat({ heartbeat_name, status: 'UP' });
    await medic.advance('10ms');
  }
  const names = (rows: { heartbeat_name: string }[]) => rows.map((row) => row.heartbeat_name);
  expect(names(await events('service_name=Pair'))).toEqual(
    [first, second, first].map((service) => service.heartbeat_name),
  );
  expect(await events('service_name=pair')).toEqual([]);
  expect(await events(`service_name=Pair&heartbeat_name=${first.heartbeat_name.toUpperCase()}`)).toHaveLength(
    2,
  );
  expect(await events('heartbeat_name=nobody')).toEqual([]);
});

test('events of one instant have a total order, highest id first', async () => {
  const { heartbeat_name } = await registered(medic);
  await Promise.all(Array.from({ length: 40 }, () => beat({ heartbeat_name, status: 'UP' })));
  const rows = await events(`heartbeat_name=${heartbeat_name}`);
  const ids = rows.map((row: { heartbeat_id: number }) => row.heartbeat_id);
  expect(new Set(ids).size).toBe(40);
  expect(ids).toEqual(ids.toSorted((a: number, b: number) => b - a));
});

test('maxCount is clamped to 1..250, and 250 when it cannot be read', async () => {
  const { heartbeat_name } = await registered(medic);
  await Promise.all(Array.from({ length: 252 }, () => beat({ heartbeat_name, status: 'UP' })));
  const count = async (maxCount: string) =>
    (await events(`heartbeat_name=${heartbeat_name}&maxCount=${maxCount}`)).length;
  expect(await events(`heartbeat_name=${heartbeat_name}`)).toHaveLength(250);
  for (const [maxCount, expected] of [
    ['3', 3],
    ['0', 1],
    ['-5', 1],
    ['250', 250],
    ['251', 250],
    ['99999999999999999999999', 250],
    ['abc', 250],
    ['', 250],
    ['1.5', 250],
    ['1e2', 250],
    ['0x10', 250],
    ['%00', 250],
  ] as const) {
    expect(await count(maxCount), maxCount).toBe(expected);
  }
});

test('unknown query parameters, and names that cannot be stored, are refused by name', async () => {
  expectFailure(await medic.call('GET', '/heartbeat?maxcount=1'), 400, 'maxcount');
  expectFailure(await medic.call('GET', '/heartbeat?heartbeat_name=%00'), 400, 'heartbeat_name');
  expectFailure(await medic.call('GET', '/heartbeat?service_name=a&service_name=b'), 400, 'service_name');
});

test('/v1/heartbeat is the same', async () => {
  const { heartbeat_name } = await registered(medic);
  expect(resultsOf(await medic.call('POST', '/v1/heartbeat', { heartbeat_name, status: 'up' }), 201)).toBe(
    '',
  );
  const rows = resultsOf(await medic.call('GET', `/v1/heartbeat?heartbeat_name=${heartbeat_name}`));
  expect(rows).toEqual(await events(`heartbeat_name=${heartbeat_name}`));
});
