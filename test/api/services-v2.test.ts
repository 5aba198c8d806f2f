import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectFailure, freshName, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

/** A service without the preview that only the single one has. */
const one = async (id: number) => {
  const { next_expected_times, ...service } = resultsOf(await medic.call('GET', `/v2/services/${id}`));
  expect(next_expected_times).toBeInstanceOf(Array);
  return service;
};

test('a created service is answered complete, with every member of the resource in its type', async () => {
  const answer = await medic.call('POST', '/v2/services', {
    heartbeat_name: 'complete',
    service_name: 'Complete',
    alert_interval: 5,
  });
  const service = resultsOf(answer, 201);
  const now = medic.clock.now();
  expect(service).toEqual({
    service_id: expect.any(Number),
    heartbeat_name: 'complete',
    service_name: 'Complete',
    active: true,
    alert_interval: 5,
    alert_interval_seconds: 300,
    threshold: 1,
    grace_period_seconds: 0,
    expected_cron: null,
    expected_timezone: 'UTC',
    max_duration_ms: null,
    team: 'site-reliability',
    team_id: null,
    schedule_id: null,
    priority: 'p3',
    runbook: null,
    notification_mode: 'notify_all',
    muted: false,
    date_muted: null,
    mute_until: null,
    mute_reason: null,
    down: false,
    ping_key: expect.stringMatching(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/),
    ping_url: `https://medic.example.com/ping/${service.ping_key}`,
    mode: 'interval',
    state: 'new',
    last_heartbeat: null,
    last_status: null,
    expected_at: new Date(now.getTime() + 300_000).toISOString(),
    overdue_at: new Date(now.getTime() + 300_000).toISOString(),
    active_alert_id: null,
    maintenance: { in_maintenance: false, window_name: null, window_id: null, maintenance_end: null },
    monitoring_since: now.toISOString(),
    date_added: now.toISOString(),
    date_modified: now.toISOString(),
  });
  expect(await one(service.service_id)).toEqual(service);
});

test('a name that exists in any letter case answers 409', async () => {
  const { heartbeat_name } = await registered(medic);
  const again = { heartbeat_name: heartbeat_name.toUpperCase(), service_name: 'x', alert_interval: 1 };
  expectFailure(await medic.call('POST', '/v2/services', again), 409, heartbeat_name);
});

test('alert_interval and alert_interval_seconds may be given together only when they agree', async () => {
  const create = (fields: Record<string, unknown>) =>
    medic.call('POST', '/v2/services', { heartbeat_name: freshName(), service_name: 'x', ...fields });
  expect(resultsOf(await create({ alert_interval: 2, alert_interval_seconds: 120 }), 201)).toMatchObject({
    alert_interval: 2,
    alert_interval_seconds: 120,
  });
  expectFailure(
    await create({ alert_interval: 2, alert_interval_seconds: 121 }),
    400,
    'alert_interval_seconds',
  );
  expectFailure(await create({}), 400, 'alert_interval', 'heartbeat_name', 'service_name');
  const { service_id } = await registered(medic);
  const patch = (fields: Record<string, unknown>) =>
    medic.call('PATCH', `/v2/services/${service_id}`, fields);
  expectFailure(
    await patch({ alert_interval: 2, alert_interval_seconds: 60 }),
    400,
    'alert_interval_seconds',
  );
  expect(resultsOf(await patch({ alert_interval_seconds: 90 }))).toMatchObject({
    alert_interval: 2,
    alert_interval_seconds: 90,
  });
});

const EDGES: [string, unknown[], unknown[]][] = [
  ['alert_interval_seconds', [10, 604_800], [9, 604_801, 60.5, '60', true, null]],
  ['alert_interval', [1, 10_080], [0, 10_081, '5', true, null]],
  ['threshold', [1, 100], [0, 101, '1', true, null]],
  ['grace_period_seconds', [0, 604_800], [-1, 604_801, '1', false, null]],
  ['max_duration_ms', [1, null], [0, 1.5, '1', true]],
  ['team', ['', 'x'.repeat(100), '😀'.repeat(100)], ['x'.repeat(101), 1, null]],
  ['team_id', [null], [1, -1, '1', true]],
  ['schedule_id', [null], [1, -1, '1', true]],
  ['priority', ['p1', 'p5'], ['p0', 'p6', '', 1, null]],
  ['runbook', ['https://example.com/r', 'HTTP://EXAMPLE.COM', null], ['x', 'ftp://x/', '', 1]],
  ['notification_mode', ['notify_all', 'notify_until_success'], ['notify', '', 1, null]],
  ['active', [false, true], [0, 1, 'true', null]],
  ['service_name', ['x', 'x'.repeat(255), '"\\\n\t'], ['', 'x'.repeat(256), 1, null]],
];

test.each(EDGES)(
  '%s takes its limits, and nothing beyond them changes anything',
  async (member, good, bad) => {
    const { service_id } = await registered(medic);
    for (const value of good) {
      const answer = await medic.call('PATCH', `/v2/services/${service_id}`, { [member]: value });
      expect(resultsOf(answer)[member]).toEqual(value);
      expect((await one(service_id))[member]).toEqual(value);
    }
    const before = await one(service_id);
    await medic.advance('1ms');
    for (const value of bad) {
      const answer = await medic.call('PATCH', `/v2/services/${service_id}`, {
        [member]: value,
        mode: 'cron',
      });
      expectFailure(answer, 400, 'mode');
      expectFailure(
        await medic.call('PATCH', `/v2/services/${service_id}`, { [member]: value }),
        400,
        member,
      );
      const heartbeat_name = freshName();
      const created = await medic.call('POST', '/v2/services', {
        heartbeat_name,
        service_name: 'x',
        ...(member.startsWith('alert_interval') ? {} : { alert_interval: 1 }),
        [member]: value,
      });
      expectFailure(created, 400, member);
      expect(resultsOf(await medic.call('GET', `/service/${heartbeat_name}`))).toEqual([]);
    }
    expect(await one(service_id)).toEqual(before);
  },
);

test('enumerations are taken in any letter case and answered in the documented spelling', async () => {
  const service = await registered(medic, { priority: 'P2', notification_mode: 'Notify_Until_SUCCESS' });
  expect(service).toMatchObject({ priority: 'p2', notification_mode: 'notify_until_success' });
});

test('read-only members cannot be written', async () => {
  const { service_id } = await registered(medic);
  for (const member of ['service_id', 'heartbeat_name', 'down', 'muted', 'ping_key', 'state', 'date_added']) {
    expectFailure(await medic.call('PATCH', `/v2/services/${service_id}`, { [member]: 'x' }), 400, member);
  }
});

test('an empty patch changes nothing, date_modified included', async () => {
  const before = await registered(medic);
  await medic.advance('5s');
  for (const body of [{}, undefined]) {
    expect(resultsOf(await medic.call('PATCH', `/v2/services/${before.service_id}`, body))).toEqual(before);
  }
  expectFailure(await medic.call('PATCH', '/v2/services/2000000000', {}), 404);
});

test('a patch changes the given members only', async () => {
  const before = await registered(medic, { team: 'a', runbook: 'https://example.com', priority: 'p1' });
  await medic.advance('5s');
  const after = resultsOf(await medic.call('PATCH', `/v2/services/${before.service_id}`, { runbook: null }));
  expect(after).toEqual({ ...before, runbook: null, date_modified: medic.clock.now().toISOString() });
});

test('monitoring_since moves on activation and on a change of interval or threshold, on nothing else', async () => {
  const { service_id, monitoring_since } = await registered(medic);
  const since = async (fields: Record<string, unknown>) => {
    await medic.advance('1s');
    return resultsOf(await medic.call('PATCH', `/v2/services/${service_id}`, fields)).monitoring_since;
  };
  for (const fields of [
    { grace_period_seconds: 5 },
    { team: 'x' },
    { alert_interval: 1 },
    { threshold: 1 },
    { active: true },
    { active: false },
  ]) {
    expect(await since(fields), JSON.stringify(fields)).toBe(monitoring_since);
  }
  for (const fields of [{ active: true }, { alert_interval: 2 }, { threshold: 2 }]) {
    expect(await since(fields), JSON.stringify(fields)).toBe(medic.clock.now().toISOString());
  }
});

test('an inactive service has neither an expected moment nor a deadline', async () => {
  expect(await registered(medic, { active: false })).toMatchObject({
    active: false,
    state: 'inactive',
    expected_at: null,
    overdue_at: null,
  });
});

test('deleting answers 200, removes the service with its events, and frees the name', async () => {
  const { service_id, heartbeat_name } = await registered(medic);
  await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'UP' });
  expect(resultsOf(await medic.call('DELETE', `/v2/services/${service_id}`))).toBe('');
  expectFailure(await medic.call('GET', `/v2/services/${service_id}`), 404);
  expectFailure(await medic.call('DELETE', `/v2/services/${service_id}`), 404);
  expect(resultsOf(await medic.call('GET', `/service/${heartbeat_name}`))).toEqual([]);
  const again = await registered(medic, { heartbeat_name });
  expect(again.service_id).not.toBe(service_id);
  expect(again.last_heartbeat).toBeNull();
  expect(resultsOf(await medic.call('GET', `/heartbeat?heartbeat_name=${heartbeat_name}`))).toEqual([]);
});

test.each([
  'abc',
  '-1',
  '1.5',
  '0x1',
  '1e0',
  '%00',
  '%20',
  '1%20',
  '+1',
  '٣',
  '99999999999999999999',
  'null',
])('the path id %s is not found, whatever the method', async (id) => {
  expectFailure(await medic.call('GET', `/v2/services/${id}`), 404);
  expectFailure(await medic.call('PATCH', `/v2/services/${id}`, { team: 'x' }), 404);
  expectFailure(await medic.call('DELETE', `/v2/services/${id}`), 404);
  expectFailure(await medic.call('POST', `/v2/services/${id}/mute`, {}), 404);
  expectFailure(await medic.call('POST', `/v2/services/${id}/unmute`), 404);
});

test('the id 0 and an unknown one are not found', async () => {
  for (const id of [0, 2_147_483_647, 2_147_483_648]) {
    expectFailure(await medic.call('GET', `/v2/services/${id}`), 404);
    expectFailure(await medic.call('POST', `/v2/services/${id}/unmute`), 404);
  }
});

test('fifty registrations of one name in different letter cases make exactly one service', async () => {
  const name = 'Concurrent-Näme-ß';
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      medic.call('POST', n % 2 === 0 ? '/v2/services' : '/service', {
        heartbeat_name: [...name]
          .map((c, i) => ((n >> (i % 6)) & 1 ? c.toUpperCase() : c.toLowerCase()))
          .join(''),
        service_name: `Number ${n}`,
        alert_interval: 1,
      }),
    ),
  );
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 201)).toHaveLength(1);
  expect(statuses.every((status) => [200, 201, 409].includes(status))).toBe(true);
  const list = resultsOf(await medic.call('GET', '/v2/services?q=concurrent-n'));
  expect(list.total_count).toBe(1);
  const created = answers.find(({ status }) => status === 201);
  expect(list.entries[0].service_id).toBe(created?.body.results.service_id);
});
