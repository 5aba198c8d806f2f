import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { expectFailure, freshName, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

// The clock stands at 2040-03-01T12:00:00Z.
const TIMES = { start_time: '2040-03-01T11:00:00Z', end_time: '2040-03-01T13:00:00Z' };
const create = (body: unknown) => medic.call('POST', '/v2/maintenance-windows', body);
const patch = (id: number, body: unknown) => medic.call('PATCH', `/v2/maintenance-windows/${id}`, body);
const get = async (id: number) => resultsOf(await medic.call('GET', `/v2/maintenance-windows/${id}`));
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
const created = async (fields: Record<string, unknown> = {}): Promise<any> =>
  resultsOf(await create({ name: freshName('Window'), ...TIMES, ...fields }), 201);
const idsOf = async (query: string) =>
  resultsOf(await medic.call('GET', `/v2/maintenance-windows?${query}`)).entries.map(
    (one: { window_id: number }) => one.window_id,
  );

test('a window is created, read, listed, changed and removed', async () => {
  const { service_id } = await registered(medic);
  const window = await created({
    name: 'Backup',
    recurrence: '0 2 * * *',
    timezone: 'america/chicago',
    start_time: '2040-03-01',
    end_time: '2040-03-01 02:30:00',
    service_ids: [service_id, service_id],
  });
  expect(window).toEqual({
    window_id: expect.any(Number),
    name: 'Backup',
    start_time: '2040-03-01T00:00:00.000Z',
    end_time: '2040-03-01T02:30:00.000Z',
    recurrence: '0 2 * * *',
    timezone: 'America/Chicago',
    service_ids: [service_id],
    active_now: false,
    next_start: '2040-03-02T08:00:00.000Z',
  });
  expect(await get(window.window_id)).toEqual(window);
  expect(resultsOf(await patch(window.window_id, {}))).toEqual(window);
  const once = resultsOf(await patch(window.window_id, { recurrence: null, service_ids: [] }));
  expect(once).toEqual({ ...window, recurrence: null, service_ids: [], next_start: null });
  expect(await get(window.window_id)).toEqual(once);
  expect(resultsOf(await patch(window.window_id, { end_time: '2040-03-01T12:00:00.001Z' }))).toMatchObject({
    active_now: true,
    next_start: null,
  });
  const path = `/v2/maintenance-windows/${window.window_id}`;
  expect(resultsOf(await medic.call('DELETE', path))).toBe('');
  for (const method of ['GET', 'DELETE']) expectFailure(await medic.call(method, path), 404);
  expectFailure(await patch(window.window_id, {}), 404);
});

test('the list has the newest first, and filters by service and by being active', async () => {
  const { service_id } = await registered(medic);
  const other = await registered(medic);
  const mine = await created({ service_ids: [service_id] });
  const everyone = await created({ start_time: '2040-03-01T12:00:00.000Z' });
  const ended = await created({ end_time: '2040-03-01T12:00:00.000Z', service_ids: [service_id] });
  const later = await created({ recurrence: '30 * * * *', end_time: '2040-03-01T11:10:00Z' });
  const [a, b, c, d] = [mine, everyone, ended, later].map(({ window_id }) => window_id);
  expect(await idsOf('')).toEqual([d, c, b, a]);
  expect(await idsOf('limit=2&offset=1')).toEqual([c, b]);
  expect(await idsOf('active_now=true')).toEqual([b, a]);
  expect(await idsOf('active_now=false')).toEqual([d, c]);
  expect(await idsOf('active_now=true&limit=1&offset=1')).toEqual([a]);
  expect(await idsOf(`service_id=${service_id}`)).toEqual([d, c, b, a]);
  expect(await idsOf(`service_id=${other.service_id}`)).toEqual([d, b]);
  expect(await idsOf(`service_id=${other.service_id}&active_now=true`)).toEqual([b]);
  for (const query of ['active_now=yes', 'service_id=x', 'service_id=-1', 'colour=red']) {
    const answer = await medic.call('GET', `/v2/maintenance-windows?${query}`);
    expectFailure(answer, 400, query.split('=')[0] as string);
  }
  for (const id of [a, b, c, d]) await medic.call('DELETE', `/v2/maintenance-windows/${id}`);
});

test.each([
  [{ name: '' }, 'name'],
  [{ name: null }, 'name'],
  [{ start_time: 'soon' }, 'start_time'],
  [{ start_time: 5 }, 'start_time'],
  [{ start_time: null }, 'start_time'],
  [{ start_time: '0000-01-01' }, 'start_time'],
  [{ end_time: '2040-02-30' }, 'end_time'],
  [{ end_time: '9999-12-31T23:59:59Z' }, 'end_time'],
  [{ end_time: '2040-03-01T11:00:00.000Z' }, 'end_time'],
  [{ end_time: '2040-03-01T10:00:00.000Z' }, 'end_time'],
  [{ start_time: '2040-03-01T13:00:00Z' }, 'start_time'],
  [{ recurrence: '' }, 'recurrence'],
  [{ recurrence: 'daily' }, 'recurrence'],
  [{ recurrence: '* * * * * *' }, 'recurrence'],
  [{ recurrence: '0 0 30 2 *' }, 'recurrence'],
  [{ recurrence: 7 }, 'recurrence'],
  [{ timezone: 'Mars/Olympus' }, 'timezone'],
  [{ timezone: null }, 'timezone'],
  [{ service_ids: null }, 'service_ids'],
  [{ service_ids: 1 }, 'service_ids'],
  [{ service_ids: ['1'] }, 'service_ids'],
  [{ service_ids: [1.5] }, 'service_ids'],
  [{ service_ids: [-1] }, 'service_ids'],
  [{ service_ids: [2_147_483_648] }, 'service_ids'],
  [{ service_ids: [999_999] }, 'service_ids'],
  [{ active_now: true }, 'active_now'],
  [{ window_id: 1 }, 'window_id'],
])('%j is refused, names %s and changes nothing', async (fields, member) => {
  const before = resultsOf(await medic.call('GET', '/v2/maintenance-windows')).total_count;
  const body = { name: freshName(), ...TIMES, ...fields };
  const answer = await create(body);
  // Of two times that contradict each other the end is named; a request with one of them, by that one.
  const named = body.start_time === TIMES.end_time ? 'end_time' : member;
  expectFailure(answer, 400, named);
  expect(answer.body.errors[0].path.startsWith(named)).toBe(true);
  expect(resultsOf(await medic.call('GET', '/v2/maintenance-windows')).total_count).toBe(before);
  const window = await created();
  expectFailure(await patch(window.window_id, fields), 400, member);
  expect(await get(window.window_id)).toEqual(window);
  await medic.call('DELETE', `/v2/maintenance-windows/${window.window_id}`);
});

test('a name is unique in any letter case', async () => {
  await created({ name: 'Release' });
  expectFailure(await create({ name: 'RELEASE', ...TIMES }), 409);
  const other = await created();
  expectFailure(await patch(other.window_id, { name: 'release' }), 409);
});

test('a deleted service leaves its windows; the last one takes a window with it, which never covers all', async () => {
  const [one, two, bystander] = await Promise.all([1, 2, 3].map(() => registered(medic)));
  const window = await created({ service_ids: [one.service_id, two.service_id] });
  resultsOf(await medic.call('DELETE', `/v2/services/${one.service_id}`));
  expect((await get(window.window_id)).service_ids).toEqual([two.service_id]);
  resultsOf(await medic.call('DELETE', `/v2/services/${two.service_id}`));
  expectFailure(await medic.call('GET', `/v2/maintenance-windows/${window.window_id}`), 404);
  expect(medic.lines).toContainEqual(
    expect.objectContaining({
      entity_id: window.window_id,
      action: 'delete',
      actor: 'system:last-service-deleted',
    }),
  );
  const path = `/v2/services/${bystander.service_id}`;
  const covering = resultsOf(await medic.call('GET', path)).maintenance;
  expect(covering.window_id).not.toBe(window.window_id);
  // The name is free again.
  const again = await created({ name: window.name, service_ids: [bystander.service_id] });
  const bulk = { service_ids: [bystander.service_id], action: 'delete' };
  resultsOf(await medic.call('POST', '/v2/services/bulk', bulk));
  expectFailure(await medic.call('GET', `/v2/maintenance-windows/${again.window_id}`), 404);
});

test('services that are deleted at the same time as their windows are changed leave no empty window', async () => {
  for (let round = 0; round < 6; round += 1) {
    const services = await Promise.all(Array.from({ length: 4 }, () => registered(medic)));
    const ids = services.map(({ service_id }) => service_id);
    const windows = await Promise.all(
      [ids, ids.slice(0, 2), ids.slice(2)].map((service_ids) => created({ service_ids })),
    );
    for (const { heartbeat_name } of services) {
      await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'DOWN' });
    }
    const answers = await Promise.all([
      ...ids.slice(0, 3).map((id) => medic.call('DELETE', `/v2/services/${id}`)),
      medic.call('POST', '/v2/services/bulk', { service_ids: ids.slice(2), action: 'delete' }),
      ...windows.map(({ window_id }, n) => patch(window_id, { service_ids: ids.slice(n, n + 2) })),
      ...windows.map(({ window_id }) => patch(window_id, { end_time: '2040-03-01T12:30:00Z' })),
      ...services.map(({ heartbeat_name }) =>
        medic.call('POST', '/heartbeat', { heartbeat_name, status: 'FAILED' }),
      ),
    ]);
    expect(answers.filter(({ status }) => status >= 500).map(({ body }) => body)).toEqual([]);
    for (const id of ids) await medic.call('DELETE', `/v2/services/${id}`);
    const left = await medic.db.query(sql`
      select name from medic.maintenance_windows maintenance
      where not all_services and not exists (
        select from medic.maintenance_window_services where window_id = maintenance.window_id)`);
    expect(left.rows).toEqual([]);
  }
});

test('a stored window that cannot be evaluated is shown as not active and hides no other', async () => {
  const broken = await created({ recurrence: '0 * * * *' });
  await medic.db.query(sql`
    update medic.maintenance_windows set recurrence = 'now and then' where window_id = ${broken.window_id}`);
  expect(await get(broken.window_id)).toMatchObject({ active_now: false, next_start: null });
  expect(await idsOf('active_now=false')).toContain(broken.window_id);
  expect((await medic.call('GET', '/v2/services')).status).toBe(200);
  // Its name can still be changed, and its recurrence repaired.
  expect((await patch(broken.window_id, { name: freshName() })).status).toBe(200);
  expect(resultsOf(await patch(broken.window_id, { recurrence: '0 12 * * *' })).active_now).toBe(true);
});

test('a service shows the window that covers it, of several the one that ends last', async () => {
  const { service_id } = await registered(medic);
  const shown = async () => resultsOf(await medic.call('GET', `/v2/services/${service_id}`)).maintenance;
  await medic.db.query(sql`delete from medic.maintenance_windows`);
  const none = { in_maintenance: false, window_name: null, window_id: null, maintenance_end: null };
  expect(await shown()).toEqual(none);
  await created({ service_ids: [service_id], end_time: '2040-03-01T12:30:00Z' });
  const long = await created({ recurrence: '0 12 * * *' });
  expect(await shown()).toEqual({
    in_maintenance: true,
    window_name: long.name,
    window_id: long.window_id,
    maintenance_end: '2040-03-01T14:00:00.000Z',
  });
  const list = resultsOf(await medic.call('GET', '/v2/services?limit=1')).entries;
  expect(list[0].maintenance.window_id).toBe(long.window_id);
});

test('a change that changes nothing is none, and each other one says who made it', async () => {
  const window = await created({ timezone: 'UTC', recurrence: '0 * * * *' });
  const changes = () => medic.lines.filter((line) => line.entity_id === window.window_id);
  expect(changes()).toMatchObject([
    { entity: 'maintenance_window', action: 'create', actor: 'admin', level: 'INFO' },
  ]);
  const { active_now: _active, next_start: _next, window_id: id, ...same } = window;
  expect(resultsOf(await patch(id, same))).toEqual(window);
  expect(changes()).toHaveLength(1);
  await patch(id, { ...same, end_time: '2040-03-01T13:30:00Z' });
  expect(changes().at(-1)).toMatchObject({ action: 'update', changed_fields: ['end_time'], actor: 'admin' });
});
