import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectFailure, freshName, registered, resultsOf } from '../harness/expectations.ts';
import { START, startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const ROW = [
  'service_id',
  'heartbeat_name',
  'service_name',
  'active',
  'alert_interval',
  'threshold',
  'team',
  'priority',
  'muted',
  'down',
  'runbook',
  'date_added',
  'date_modified',
  'date_muted',
  'team_id',
  'schedule_id',
  'max_duration_ms',
  'grace_period_seconds',
  'last_heartbeat',
];

const valid = (fields: Record<string, unknown> = {}) => ({
  heartbeat_name: freshName(),
  service_name: 'Checkout',
  alert_interval: 5,
  ...fields,
});

async function rowOf(name: string) {
  const [row] = resultsOf(await medic.call('GET', `/service/${encodeURIComponent(name)}`));
  return row;
}

test('a registration answers 201 with the created row, which has exactly the listed members', async () => {
  const answer = await medic.call('POST', '/service', valid({ heartbeat_name: 'first' }));
  const row = resultsOf(answer, 201);
  expect(answer.body.message).toContain('registered');
  expect(answer.body.message).not.toContain('already');
  expect(Object.keys(row).sort()).toEqual([...ROW].sort());
  const now = medic.clock.now().toISOString();
  expect(row).toEqual({
    service_id: expect.any(Number),
    heartbeat_name: 'first',
    service_name: 'Checkout',
    active: 1,
    alert_interval: 5,
    threshold: 1,
    team: 'site-reliability',
    priority: 'p3',
    muted: 0,
    down: 0,
    runbook: null,
    date_added: now,
    date_modified: now,
    date_muted: null,
    team_id: null,
    schedule_id: null,
    max_duration_ms: null,
    grace_period_seconds: 0,
    last_heartbeat: null,
  });
  expect(row.date_added).toBe(START);
});

test('every optional member of a registration is kept', async () => {
  const members = {
    threshold: 3,
    team: 'payments',
    priority: 'P1',
    runbook: 'https://runbooks.example.com/checkout',
    grace_period_seconds: 30,
    max_duration_ms: 9_007_199_254_740_991,
    team_id: null,
    schedule_id: null,
  };
  const row = resultsOf(await medic.call('POST', '/service', valid(members)), 201);
  expect(row).toMatchObject({ ...members, priority: 'p1' });
  expect(await rowOf(row.heartbeat_name)).toEqual(row);
});

test('a stored name answers 200 "already registered" in any letter case and changes nothing', async () => {
  const row = resultsOf(await medic.call('POST', '/service', valid({ heartbeat_name: 'Api-Straße' })), 201);
  await medic.advance('1s');
  for (const heartbeat_name of ['Api-Straße', 'API-STRASSE', 'api-strasse']) {
    const answer = await medic.call('POST', '/service', valid({ heartbeat_name, service_name: 'Other' }));
    expect(resultsOf(answer)).toEqual(row);
    expect(answer.body.message).toContain('already registered');
  }
  expect(await rowOf('aPi-sTRASSE')).toEqual(row);
});

test('an environment is put in front of the name, and an empty one is not', async () => {
  const name = freshName();
  const prefixed = await medic.call('POST', '/service', valid({ heartbeat_name: name, environment: 'prod' }));
  expect(resultsOf(prefixed, 201).heartbeat_name).toBe(`prod-${name}`);
  const plain = await medic.call('POST', '/service', valid({ heartbeat_name: name, environment: '' }));
  expect(resultsOf(plain, 201).heartbeat_name).toBe(name);
  const again = await medic.call('POST', '/service', valid({ heartbeat_name: `PROD-${name}` }));
  expect(again.body.message).toContain('already registered');
});

test('the 255 characters are counted with the environment, in characters and not in bytes', async () => {
  const fits = await medic.call(
    'POST',
    '/service',
    valid({ heartbeat_name: '😀'.repeat(250), environment: 'prod' }),
  );
  expect(resultsOf(fits, 201).heartbeat_name).toBe(`prod-${'😀'.repeat(250)}`);
  const answer = await medic.call(
    'POST',
    '/service',
    valid({ heartbeat_name: 'x'.repeat(251), environment: 'prod' }),
  );
  expectFailure(answer, 400, 'environment');
});

const WRONG: [member: string, ...values: unknown[]][] = [
  ['heartbeat_name', '', 'a/b', ' a', 'a ', '\ta', 'a\u00a0', 'a\nb', 'a\0', '\ud800', 'x'.repeat(256), 5],
  ['service_name', '', 'x'.repeat(256), 'a\0', 'a\udc00', 7, true, {}],
  ['alert_interval', 0, -1, 10_081, 1.5, '5', true, [5], 1e300],
  ['threshold', 0, 101, 1.5, '1', true],
  ['team', 'x'.repeat(101), 'a\0', 1],
  ['priority', 'p0', 'p6', '', 'high', 3],
  [
    'runbook',
    'x',
    '',
    '/runbook',
    'ftp://example.com/x',
    'javascript:alert(1)',
    'http:example.com',
    'https://',
    'https://a b/',
    `https://example.com/${'x'.repeat(2048)}`,
    1,
  ],
  ['grace_period_seconds', -1, 604_801, 0.5, '0', false],
  ['max_duration_ms', 0, -1, 0.5, '1', true],
  ['team_id', -1, 1, 0.5, '1', true],
  ['schedule_id', -1, 1, 0.5, '1', true],
];

describe.each(WRONG)('a wrong %s', (member, ...values) => {
  test.each(values)('such as %j registers nothing and is named with the required members', async (value) => {
    const body = valid({ [member]: value });
    const answer = await medic.call('POST', '/service', body);
    expectFailure(answer, 400, member, 'heartbeat_name', 'service_name', 'alert_interval');
    expect(answer.body.errors).toContainEqual({ path: member, message: expect.any(String) });
    if (member !== 'heartbeat_name') expect(await rowOf(body.heartbeat_name as string)).toBeUndefined();
  });
});

test('null is refused where the table does not allow it, and unknown members are refused', async () => {
  for (const member of ['threshold', 'team', 'priority', 'grace_period_seconds', 'environment']) {
    expectFailure(await medic.call('POST', '/service', valid({ [member]: null })), 400, member);
  }
  for (const member of ['muted', 'active', 'down', 'alert_interval_seconds', 'service_id', 'colour']) {
    expectFailure(await medic.call('POST', '/service', valid({ [member]: 1 })), 400, member);
  }
});

test('a registration without required members lists all of them', async () => {
  const answer = await medic.call('POST', '/service', {});
  expectFailure(answer, 400, 'heartbeat_name', 'service_name', 'alert_interval');
  expect(answer.body.errors.map(({ path }: { path: string }) => path).sort()).toEqual([
    'alert_interval',
    'heartbeat_name',
    'service_name',
  ]);
  expectFailure(await medic.call('POST', '/service'), 400, 'heartbeat_name');
});

test('an unknown service is an empty list on GET and 404 on POST', async () => {
  for (const name of ['nobody', 'a%2fb', '%00', '%20', 'x'.repeat(300)]) {
    expect(resultsOf(await medic.call('GET', `/service/${name}`))).toEqual([]);
    expectFailure(await medic.call('POST', `/service/${name}`, {}), 404);
  }
});

test('every member of an update is applied and answered', async () => {
  const { heartbeat_name } = await registered(medic);
  await medic.advance('1s');
  const changes = {
    service_name: 'New name',
    alert_interval: 10,
    threshold: 2,
    team: 'platform',
    priority: 'p2',
    runbook: 'http://example.com',
    grace_period_seconds: 5,
    max_duration_ms: 1000,
  };
  const row = resultsOf(await medic.call('POST', `/service/${heartbeat_name.toUpperCase()}`, changes));
  expect(row).toMatchObject({ ...changes, date_modified: medic.clock.now().toISOString() });
  expect(await rowOf(heartbeat_name)).toEqual(row);
  const cleared = await medic.call('POST', `/service/${heartbeat_name}`, {
    runbook: null,
    max_duration_ms: null,
  });
  expect(resultsOf(cleared)).toMatchObject({ runbook: null, max_duration_ms: null, team: 'platform' });
});

test('an empty update answers 200 and moves date_modified only', async () => {
  const { heartbeat_name } = await registered(medic);
  const before = await rowOf(heartbeat_name);
  for (const body of [{}, undefined, { down: 1 }]) {
    await medic.advance('1s');
    const row = resultsOf(await medic.call('POST', `/service/${heartbeat_name}`, body));
    expect(row).toEqual({ ...before, date_modified: medic.clock.now().toISOString() });
  }
});

test('muted 1 mutes from now for ALERT_AUTO_UNMUTE_HOURS, muted 0 clears every mute field', async () => {
  const { heartbeat_name, service_id } = await registered(medic);
  const now = medic.clock.now();
  const muted = resultsOf(await medic.call('POST', `/service/${heartbeat_name}`, { muted: 1 }));
  expect(muted).toMatchObject({ muted: 1, date_muted: now.toISOString() });
  const v2 = async () => resultsOf(await medic.call('GET', `/v2/services/${service_id}`));
  expect(await v2()).toMatchObject({
    muted: true,
    mute_until: new Date(now.getTime() + 24 * 3_600_000).toISOString(),
    mute_reason: null,
  });
  const unmuted = resultsOf(await medic.call('POST', `/service/${heartbeat_name}`, { muted: 0 }));
  expect(unmuted).toMatchObject({ muted: 0, date_muted: null });
  expect(await v2()).toMatchObject({ muted: false, date_muted: null, mute_until: null, mute_reason: null });
});

test('a wrong update names its member and changes nothing', async () => {
  const { heartbeat_name } = await registered(medic);
  const before = await rowOf(heartbeat_name);
  await medic.advance('1s');
  const wrong: [string, unknown][] = [
    ...WRONG.filter(([member]) => member !== 'heartbeat_name').flatMap(([member, ...values]) =>
      values.map((value): [string, unknown] => [member, value]),
    ),
    ...['muted', 'active', 'down'].flatMap((flag) =>
      [true, false, 2, -1, '1', null, 0.5].map((value): [string, unknown] => [flag, value]),
    ),
    ...['heartbeat_name', 'environment', 'alert_interval_seconds', 'mute_until', '__proto_'].map(
      (member): [string, unknown] => [member, 'x'],
    ),
    ...['service_name', 'alert_interval', 'threshold', 'team', 'priority', 'grace_period_seconds'].map(
      (member): [string, unknown] => [member, null],
    ),
  ];
  for (const [member, value] of wrong) {
    const answer = await medic.call('POST', `/service/${heartbeat_name}`, {
      team: 'changed',
      [member]: value,
    });
    expectFailure(answer, 400, member);
  }
  expect(await rowOf(heartbeat_name)).toEqual(before);
});

test('deactivating and activating by flag', async () => {
  const { heartbeat_name } = await registered(medic);
  expect(resultsOf(await medic.call('POST', `/service/${heartbeat_name}`, { active: 0 })).active).toBe(0);
  expect(resultsOf(await medic.call('POST', `/service/${heartbeat_name}`, { active: 1 })).active).toBe(1);
});

test('the interval is shown in whole minutes, rounded up', async () => {
  const { heartbeat_name } = await registered(medic, { alert_interval_seconds: 61 });
  expect((await rowOf(heartbeat_name)).alert_interval).toBe(2);
  const { heartbeat_name: short } = await registered(medic, { alert_interval_seconds: 10 });
  expect((await rowOf(short)).alert_interval).toBe(1);
});

test('the list is ordered by service_id and filtered by the exact service name and active', async () => {
  const on = await registered(medic, { service_name: 'Shared name' });
  const off = await registered(medic, { service_name: 'Shared name', active: false });
  await registered(medic, { service_name: 'shared name' });
  const ids = async (query: string) =>
    resultsOf(await medic.call('GET', `/service?${query}`)).map(
      (row: { service_id: number }) => row.service_id,
    );
  expect(await ids('service_name=Shared%20name')).toEqual([on.service_id, off.service_id]);
  expect(await ids('service_name=Shared%20name&active=1')).toEqual([on.service_id]);
  expect(await ids('service_name=Shared%20name&active=0')).toEqual([off.service_id]);
  expect(await ids('service_name=none')).toEqual([]);
  const all = await ids('');
  expect(all).toEqual(all.toSorted((a: number, b: number) => a - b));
  expect(all.length).toBeGreaterThan(3);
});

test.each(['active=abc', 'active=', 'active=true', 'active=1.5', 'active=1&active=0', 'active=1%00'])(
  'the filter %s is refused by name',
  async (query) => expectFailure(await medic.call('GET', `/service?${query}`), 400, 'active'),
);

test('unknown query parameters are refused by name', async () => {
  expectFailure(await medic.call('GET', '/service?activ=1'), 400, 'activ');
  expectFailure(await medic.call('GET', '/service?service_name=a%00'), 400, 'service_name');
});

test('the /v1 paths are the same routes', async () => {
  const row = resultsOf(await medic.call('POST', '/v1/service', valid()), 201);
  expect(resultsOf(await medic.call('GET', `/v1/service/${row.heartbeat_name}`))).toEqual([row]);
  expect(resultsOf(await medic.call('GET', '/v1/service'))).toEqual(
    resultsOf(await medic.call('GET', '/service')),
  );
  expectFailure(await medic.call('POST', `/v1/service/${row.heartbeat_name}`, { x: 1 }), 400, 'x');
});
