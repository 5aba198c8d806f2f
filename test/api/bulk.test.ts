import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectFailure, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const bulk = (body: Record<string, unknown>) => medic.call('POST', '/v2/services/bulk', body);
const one = async (id: number) => resultsOf(await medic.call('GET', `/v2/services/${id}`));

async function three(): Promise<number[]> {
  const services = [await registered(medic), await registered(medic), await registered(medic)];
  return services.map(({ service_id }) => service_id);
}

test.each<[Record<string, unknown>, Record<string, unknown>]>([
  [{ action: 'set_priority', value: 'P1' }, { priority: 'p1' }],
  [{ action: 'set_team', value: 'night shift' }, { team: 'night shift' }],
  [{ action: 'Deactivate' }, { active: false, state: 'inactive' }],
  [{ action: 'activate' }, { active: true }],
  [{ action: 'mute' }, { muted: true, mute_until: '2040-03-02T12:00:00.000Z', mute_reason: null }],
  [
    { action: 'mute', value: '2h' },
    { muted: true, mute_until: '2040-03-01T14:00:00.000Z' },
  ],
  [
    { action: 'mute', value: { until: '2040-03-01T13:00:00Z', reason: 'deploy' } },
    { muted: true, mute_until: '2040-03-01T13:00:00.000Z', mute_reason: 'deploy' },
  ],
  [{ action: 'unmute' }, { muted: false }],
])('%j changes every service that is named, and no other', async (request, expected) => {
  const [first, second, other] = (await three()) as [number, number, number];
  const before = await one(other);
  const answer = await bulk({ service_ids: [second, first, second], ...request });
  expect(resultsOf(answer)).toEqual({ service_ids: [first, second] });
  for (const id of [first, second]) expect(await one(id)).toMatchObject(expected);
  expect(await one(other)).toEqual(before);
});

test('many services are deleted at once', async () => {
  const ids = await three();
  resultsOf(await bulk({ service_ids: ids, action: 'delete' }));
  for (const id of ids) expectFailure(await medic.call('GET', `/v2/services/${id}`), 404);
});

test('deactivating many failing services closes their alerts, and ends their incidents', async () => {
  const ids = await three();
  for (const id of ids) await medic.call('POST', `/v2/heartbeat/${id}/fail`);
  await medic.settle();
  const before = medic.pagerDuty.events.length;
  resultsOf(await bulk({ service_ids: ids, action: 'deactivate' }));
  await medic.settle();
  const ended = medic.pagerDuty.events.slice(before).map((event) => event.event_action);
  expect(ended).toEqual(['resolve', 'resolve', 'resolve']);
  for (const id of ids) expect(await one(id)).toMatchObject({ down: false, state: 'inactive' });
});

test.each(['delete', 'deactivate', 'mute', 'set_team'])(
  '%s with an unknown id changes nothing at all',
  async (action) => {
    const ids = await three();
    const before = await Promise.all(ids.map(one));
    const value = action === 'set_team' ? { value: 'x' } : {};
    expectFailure(await bulk({ service_ids: [...ids, 987_654], action, ...value }), 404, '987654');
    expect(await Promise.all(ids.map(one))).toEqual(before);
  },
);

test.each([
  [{ service_ids: [], action: 'unmute' }, 'service_ids'],
  [{ service_ids: Array.from({ length: 251 }, (_, id) => id), action: 'unmute' }, 'service_ids'],
  [{ service_ids: ['1'], action: 'unmute' }, 'service_ids'],
  [{ service_ids: [1], action: 'explode' }, 'set_priority'],
  [{ service_ids: [1], action: 'set_priority' }, 'value'],
  [{ service_ids: [1], action: 'set_priority', value: 'p6' }, 'value'],
  [{ service_ids: [1], action: 'set_team' }, 'value'],
  [{ service_ids: [1], action: 'set_team', value: 5 }, 'value'],
  [{ service_ids: [1], action: 'mute', value: '366d' }, 'duration'],
  [{ service_ids: [1], action: 'mute', value: { for: 5 } }, 'value'],
  [{ service_ids: [1], action: 'delete', value: 'all' }, 'value'],
  [{ action: 'delete' }, 'service_ids'],
  [{ service_ids: [1] }, 'action'],
])('%j is refused with 400', async (body, word) => {
  expectFailure(await bulk(body), 400, word);
});

test('bulk changes of the same services in opposite order, and heartbeats in between, all succeed', async () => {
  const ids = [...(await three()), ...(await three())];
  const requests = Array.from({ length: 10 }, (_, n) => [
    bulk({ service_ids: n % 2 === 0 ? ids : ids.toReversed(), action: 'set_team', value: `team ${n}` }),
    medic.call('POST', `/v2/heartbeat/${ids[n % ids.length]}/${n % 3 === 0 ? 'fail' : 'complete'}`),
  ]).flat();
  for (const { status } of await Promise.all(requests)) expect([200, 201]).toContain(status);
  const teams = await Promise.all(ids.map(async (id) => (await one(id)).team));
  expect(new Set(teams).size).toBe(1);
});
