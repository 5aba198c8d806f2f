import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectFailure, freshName, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const nine = { start: '09:00', end: '17:00' };
const create = (body: unknown) => medic.call('POST', '/v2/schedules', body);
const patch = (id: number, body: unknown) => medic.call('PATCH', `/v2/schedules/${id}`, body);
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
const created = async (fields: Record<string, unknown> = {}): Promise<any> =>
  resultsOf(await create({ name: freshName('Schedule'), hours: { Monday: [nine] }, ...fields }), 201);

test('a schedule is created, read, listed by name, changed and removed', async () => {
  const schedule = await created({
    name: 'office',
    timezone: 'europe/london',
    hours: { FRIDAY: [nine, { start: '20:00', end: '24:00' }], monday: [{ start: '22:00', end: '06:00' }] },
  });
  expect(schedule).toEqual({
    schedule_id: expect.any(Number),
    name: 'office',
    timezone: 'Europe/London',
    hours: { monday: [{ start: '22:00', end: '06:00' }], friday: [nine, { start: '20:00', end: '24:00' }] },
  });
  const path = `/v2/schedules/${schedule.schedule_id}`;
  const read = resultsOf(await medic.call('GET', path));
  expect(read).toEqual(schedule);
  expect(Object.keys(read.hours)).toEqual(['monday', 'friday']);
  const earlier = await created({ name: 'Always', hours: {} });
  expect(earlier).toMatchObject({ timezone: 'UTC', hours: {} });
  expect(resultsOf(await medic.call('GET', '/v2/schedules')).entries).toEqual([earlier, schedule]);
  expect(resultsOf(await patch(schedule.schedule_id, {}))).toEqual(schedule);
  const changed = resultsOf(await patch(schedule.schedule_id, { hours: { Sunday: [] } }));
  expect(changed).toEqual({ ...schedule, hours: { sunday: [] } });
  expect(resultsOf(await medic.call('GET', path))).toEqual(changed);
  expect(resultsOf(await medic.call('DELETE', path))).toBe('');
  expectFailure(await medic.call('GET', path), 404);
  expectFailure(await medic.call('DELETE', path), 404);
  expectFailure(await patch(schedule.schedule_id, { name: 'x' }), 404);
});

test('a name is unique in any letter case', async () => {
  await created({ name: 'Night' });
  expectFailure(await create({ name: 'NIGHT', hours: {} }), 409);
  const other = await created();
  expectFailure(await patch(other.schedule_id, { name: 'night' }), 409);
});

test.each([
  [{ name: '' }, 'name'],
  [{ name: 'x'.repeat(256) }, 'name'],
  [{ hours: null }, 'hours'],
  [{ hours: [] }, 'hours'],
  [{ hours: { monday: nine } }, 'hours.monday'],
  [{ hours: { monday: [['09:00', '17:00']] } }, 'hours.monday.0'],
  [{ hours: { monday: [{ start: '09:00' }] } }, 'hours.monday.0.end'],
  [{ hours: { monday: [{ ...nine, days: 2 }] } }, 'hours.monday.0.days'],
  [{ hours: { monday: [{ start: 9, end: 17 }] } }, 'hours.monday.0.start'],
  [{ hours: { monday: [{ start: '9:00', end: '17:00' }] } }, 'hours.monday.0.start'],
  [{ hours: { monday: [{ start: '09:00', end: '24:01' }] } }, 'hours.monday.0.end'],
  [{ hours: { monday: [{ start: '09:00', end: '09:00' }] } }, 'hours.monday.0.end'],
  [{ hours: { montag: [nine] } }, 'hours.montag'],
  [{ hours: { monday: [], Monday: [] } }, 'hours.Monday'],
  [{ hours: { constructor: [] } }, 'hours.constructor'],
  [{ hours: { monday: Array(97).fill(nine) } }, 'hours.monday'],
  [{ timezone: 'Mars/Olympus' }, 'timezone'],
  [{ timezone: '+01:00' }, 'timezone'],
  [{ timezone: '' }, 'timezone'],
  [{ timezone: null }, 'timezone'],
  [{ colour: 'red' }, 'colour'],
])('%j is refused and names %s', async (fields, member) => {
  expectFailure(await create({ name: freshName(), hours: {}, ...fields }), 400, member);
  const schedule = await created();
  expectFailure(await patch(schedule.schedule_id, fields), 400, member);
  expect(resultsOf(await medic.call('GET', `/v2/schedules/${schedule.schedule_id}`))).toEqual(schedule);
});

test('hours are required', async () => {
  expectFailure(await create({ name: freshName() }), 400, 'hours');
  const hostile = `{"name":"${freshName()}","hours":{"__proto__":[]}}`;
  expectFailure(await medic.call('POST', '/v2/schedules', hostile), 400);
});
