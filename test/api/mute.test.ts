import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectFailure, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const DAY = 86_400_000;
const from = (milliseconds: number) => new Date(medic.clock.now().getTime() + milliseconds).toISOString();
const mute = (id: number, body?: unknown) => medic.call('POST', `/v2/services/${id}/mute`, body);

test('a mute without an end lasts ALERT_AUTO_UNMUTE_HOURS', async () => {
  const { service_id } = await registered(medic);
  for (const body of [undefined, {}, { reason: 'deploy' }]) {
    expect(resultsOf(await mute(service_id, body))).toMatchObject({
      service_id,
      muted: true,
      date_muted: from(0),
      mute_until: from(DAY),
      mute_reason: (body as { reason?: string } | undefined)?.reason ?? null,
    });
  }
});

test.each<[unknown, number]>([
  [1, 1000],
  [90, 90_000],
  ['90s', 90_000],
  ['5m', 300_000],
  ['2H', 7_200_000],
  ['1d', DAY],
  ['365d', 365 * DAY],
  [365 * 86_400, 365 * DAY],
])('the duration %j ends after %i ms', async (duration, milliseconds) => {
  const { service_id } = await registered(medic);
  expect(resultsOf(await mute(service_id, { duration })).mute_until).toBe(from(milliseconds));
});

test.each([
  0,
  -1,
  1.5,
  '5',
  '5w',
  '1.5h',
  '-5m',
  '',
  'm',
  '1h30m',
  true,
  null,
  [5],
  {},
  '366d',
  365 * 86_400 + 1,
  1e300,
  '99999999999999999999s',
])('the duration %j is refused and nothing is muted', async (duration) => {
  const { service_id } = await registered(medic);
  expectFailure(await mute(service_id, { duration }), 400, 'duration');
  expect(resultsOf(await medic.call('GET', `/v2/services/${service_id}`)).muted).toBe(false);
});

test('until is taken in every form of the time helper', async () => {
  const { service_id } = await registered(medic);
  for (const until of [
    '2040-03-02T12:00:00.000Z',
    '2040-03-02T13:00:00+01:00',
    '2040-03-02 12:00:00',
    '2040-03-02 12:00:00.000000Z',
  ]) {
    expect(resultsOf(await mute(service_id, { until })).mute_until).toBe('2040-03-02T12:00:00.000Z');
  }
  expect(resultsOf(await mute(service_id, { until: '2040-03-02' })).mute_until).toBe(
    '2040-03-02T00:00:00.000Z',
  );
});

test('the end must lie in the future and at most 365 days ahead', async () => {
  const { service_id } = await registered(medic);
  for (const until of [from(0), from(-1), from(365 * DAY + 1), 'tomorrow', '', 5, null, '2040-02-30']) {
    expectFailure(await mute(service_id, { until }), 400, 'until');
  }
  expect(resultsOf(await mute(service_id, { until: from(1) })).mute_until).toBe(from(1));
  expect(resultsOf(await mute(service_id, { until: from(365 * DAY) })).mute_until).toBe(from(365 * DAY));
});

test('duration and until exclude each other, unknown members and wrong reasons are refused', async () => {
  const { service_id } = await registered(medic);
  expectFailure(await mute(service_id, { duration: 60, until: from(60_000) }), 400, 'duration', 'until');
  expectFailure(await mute(service_id, { minutes: 5 }), 400, 'minutes');
  for (const reason of ['x'.repeat(501), 5, null, 'a\0', '\udfff']) {
    expectFailure(await mute(service_id, { reason }), 400, 'reason');
  }
  expect(resultsOf(await mute(service_id, { reason: '😀'.repeat(500) })).mute_reason).toHaveLength(1000);
});

test('a second mute replaces the first', async () => {
  const { service_id } = await registered(medic);
  await mute(service_id, { duration: '2d', reason: 'first' });
  await medic.advance('1s');
  expect(resultsOf(await mute(service_id, { duration: 60 }))).toMatchObject({
    date_muted: from(0),
    mute_until: from(60_000),
    mute_reason: null,
  });
});

test('unmuting clears every mute field and takes no members', async () => {
  const { service_id } = await registered(medic);
  await mute(service_id, { reason: 'deploy' });
  expectFailure(await medic.call('POST', `/v2/services/${service_id}/unmute`, { now: true }), 400, 'now');
  for (const body of [{}, undefined]) {
    expect(resultsOf(await medic.call('POST', `/v2/services/${service_id}/unmute`, body))).toMatchObject({
      muted: false,
      date_muted: null,
      mute_until: null,
      mute_reason: null,
    });
  }
});
