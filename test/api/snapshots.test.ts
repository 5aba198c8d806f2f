import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { expectFailure, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const snapshotsOf = async (id: number, query = '') =>
  resultsOf(await medic.call('GET', `/v2/snapshots?service_id=${id}${query}`)).entries;
const newestOf = async (id: number) => (await snapshotsOf(id))[0];
const kindsOf = async (id: number) =>
  (await snapshotsOf(id)).map((entry: { action_type: string }) => entry.action_type).reverse();
const service = async (id: number) => resultsOf(await medic.call('GET', `/v2/services/${id}`));
const patch = (id: number, body: unknown) => medic.call('PATCH', `/v2/services/${id}`, body);
const restore = (snapshotId: number) => medic.call('POST', `/v2/snapshots/${snapshotId}/restore`);
const entriesOf = async (id: number) =>
  (
    await medic.db.query<{ details: Record<string, unknown>; actor: string }>(sql`
      select details, actor from medic.audit_entries where service_id = ${id} order by log_id`)
  ).rows;

test.each<[Record<string, unknown>, string]>([
  [{ service_name: 'Other' }, 'edit'],
  [{ runbook: 'https://example.com/', threshold: 2 }, 'edit'],
  [{ expected_cron: '0 2 * * *' }, 'edit'],
  [{ team: 'ops' }, 'team_change'],
  [{ team: 'ops', threshold: 3 }, 'team_change'],
  [{ priority: 'P1', team: 'ops' }, 'priority_change'],
  [{ active: false, priority: 'p1' }, 'deactivate'],
])('%j is kept as %s', async (body, kind) => {
  const before = await registered(medic);
  resultsOf(await patch(before.service_id, body));
  const snapshot = await newestOf(before.service_id);
  expect(snapshot).toEqual({
    snapshot_id: expect.any(Number),
    service_id: before.service_id,
    heartbeat_name: before.heartbeat_name,
    action_type: kind,
    snapshot_data: {
      heartbeat_name: before.heartbeat_name,
      service_name: 'Service',
      active: true,
      alert_interval_seconds: 60,
      expected_cron: null,
      expected_timezone: 'UTC',
      threshold: 1,
      grace_period_seconds: 0,
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
      date_added: before.date_added,
    },
    actor: expect.any(String),
    actor_note: null,
    created_at: medic.clock.now().toISOString(),
    restored_at: null,
    restored_by: null,
  });
  expect(resultsOf(await medic.call('GET', `/v2/snapshots/${snapshot.snapshot_id}`))).toEqual(snapshot);
  const [, entry] = await entriesOf(before.service_id);
  expect(entry?.details).toEqual({
    entity: 'service',
    entity_id: before.service_id,
    action: 'update',
    changed_fields: expect.arrayContaining(Object.keys(body)),
    snapshot_id: snapshot.snapshot_id,
  });
  expect(entry?.actor).toBe(snapshot.actor);
});

test('v1 changes are kept by the same rules; down alone, or nothing, is not', async () => {
  const { service_id: id, heartbeat_name: name } = await registered(medic);
  const post = async (body: unknown) => resultsOf(await medic.call('POST', `/service/${name}`, body));
  await post({ down: 1 });
  await post({});
  await post({ muted: 0 });
  await post({ active: 1, team: 'site-reliability' });
  resultsOf(await patch(id, {}));
  expect(await kindsOf(id)).toEqual([]);
  await post({ muted: 1, priority: 'p2' });
  await post({ muted: 0, team: 'ops' });
  await post({ active: 0, muted: 1 });
  await post({ active: 1 });
  expect(await kindsOf(id)).toEqual(['mute', 'unmute', 'deactivate', 'activate']);
});

test('mute and unmute are kept; what ends by itself, or cannot change anything, is not', async () => {
  const { service_id: id, heartbeat_name } = await registered(medic);
  const call = async (action: string, body?: unknown) =>
    resultsOf(await medic.call('POST', `/v2/services/${id}/${action}`, body));
  await call('unmute');
  await call('mute', { duration: '1m', reason: 'deploy' });
  await medic.advance('61s');
  expect((await service(id)).muted).toBe(false);
  await call('mute', { duration: '1h' });
  await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'UP' });
  expect((await service(id)).muted).toBe(false);
  await call('mute');
  await call('unmute');
  await call('ping-key/rotate');
  expect(await kindsOf(id)).toEqual(['mute', 'mute', 'mute', 'unmute']);
  expect((await entriesOf(id)).map(({ details }) => details.changed_fields)).toEqual([
    ['heartbeat_name', 'service_name', 'alert_interval_seconds'],
    ...Array(4).fill(['muted']),
    ['ping_key'],
  ]);
});

test('a bulk change keeps one snapshot for each service, also of what it leaves as it is', async () => {
  const [one, two] = [await registered(medic), await registered(medic, { priority: 'p1' })];
  const service_ids = [one.service_id, two.service_id, one.service_id];
  for (const [action, value] of [['set_priority', 'p1'], ['unmute'], ['mute', '5m'], ['delete']]) {
    const body = { service_ids, action, ...(value === undefined ? {} : { value }) };
    resultsOf(await medic.call('POST', '/v2/services/bulk', body));
  }
  for (const { service_id } of [one, two]) {
    expect(await kindsOf(service_id)).toEqual(['bulk_edit', 'bulk_edit', 'bulk_edit', 'delete']);
  }
});

test('a change that is refused leaves no snapshot and no entry', async () => {
  const { service_id: id } = await registered(medic);
  expectFailure(await patch(id, { expected_cron: 'nonsense' }), 400, 'expected_cron');
  const body = { service_ids: [id, 2_000_000], action: 'delete' };
  expectFailure(await medic.call('POST', '/v2/services/bulk', body), 404);
  expect(await kindsOf(id)).toEqual([]);
  expect(await entriesOf(id)).toHaveLength(1);
});

test('a snapshot that cannot be stored fails the change too', async () => {
  const { service_id: id } = await registered(medic);
  await medic.db.query(sql`
    alter table medic.service_snapshots add constraint broken check (heartbeat_name = '') not valid`);
  const answer = await patch(id, { priority: 'p1' });
  await medic.db.query(sql`alter table medic.service_snapshots drop constraint broken`);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect((await service(id)).priority).toBe('p3');
});

test('X-Actor is kept as a note beside the proven actor', async () => {
  const { service_id: id } = await registered(medic);
  for (const [header, note] of [
    ['  alice (laptop)  ', 'alice (laptop)'],
    ['x'.repeat(255), 'x'.repeat(255)],
    ['x'.repeat(256), null],
    ['tab\tinside', null],
    ['   ', null],
    [Buffer.from('Jürgen').toString('latin1'), 'Jürgen'],
  ] as const) {
    const headers = { 'x-actor': header };
    const { status } = await medic.fetch(`/v2/services/${id}/mute`, { method: 'POST', headers });
    expect(status).toBe(200);
    expect((await newestOf(id)).actor_note, header).toBe(note);
  }
});

test('restoring gives back everything, keeps the state until then, and works once', async () => {
  const { service_id: id } = await registered(medic, { grace_period_seconds: 30, runbook: 'https://a.b/' });
  resultsOf(await medic.call('POST', `/v2/services/${id}/mute`, { duration: '1h', reason: 'old' }));
  const old = await service(id);
  resultsOf(
    await patch(id, {
      expected_cron: '0 2 * * *',
      priority: 'p1',
      team: 'ops',
      runbook: null,
      active: false,
    }),
  );
  const { snapshot_id } = await newestOf(id);
  resultsOf(await medic.call('POST', `/v2/services/${id}/unmute`));
  await medic.advance('10s');
  const answer = resultsOf(await restore(snapshot_id));
  expect(answer).toMatchObject({
    snapshot_id,
    action_type: 'deactivate',
    restored_at: medic.clock.now().toISOString(),
    restored_by: answer.actor,
  });
  const now = await service(id);
  const times = ['monitoring_since', 'date_modified', 'expected_at', 'overdue_at', 'next_expected_times'];
  const without = (entry: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(entry).filter(([name]) => !times.includes(name)));
  expect(without(now)).toEqual(without(old));
  // The change of the expectation starts a whole new period.
  expect(now.monitoring_since).toBe(medic.clock.now().toISOString());
  const undo = await newestOf(id);
  expect(undo).toMatchObject({ action_type: 'restore', snapshot_data: { priority: 'p1', active: false } });
  expectFailure(await restore(snapshot_id), 400, 'already been restored');
  resultsOf(await restore(undo.snapshot_id));
  expect(await service(id)).toMatchObject({ priority: 'p1', active: false, mode: 'cron', muted: false });
});

test('a mute that has ended meanwhile is not restored, and one that is not in the snapshot ends', async () => {
  const { service_id: id } = await registered(medic);
  resultsOf(await medic.call('POST', `/v2/services/${id}/mute`, { duration: '1m' }));
  resultsOf(await patch(id, { priority: 'p1' }));
  const { snapshot_id: muted } = await newestOf(id);
  await medic.advance('2m');
  resultsOf(await medic.call('POST', `/v2/services/${id}/mute`, { duration: '1h' }));
  resultsOf(await restore(muted));
  expect(await service(id)).toMatchObject({ priority: 'p3', muted: false, date_muted: null });
});

test('restoring an inactive state closes the alert, and restoring an active one begins afresh', async () => {
  const { service_id: id, heartbeat_name } = await registered(medic, { active: false });
  resultsOf(await patch(id, { active: true }));
  const { snapshot_id: inactive } = await newestOf(id);
  await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'DOWN' });
  const { active_alert_id } = await service(id);
  resultsOf(await restore(inactive));
  expect(resultsOf(await medic.call('GET', `/v2/alerts/${active_alert_id}`)).close_reason).toBe(
    'deactivated',
  );
  resultsOf(await restore((await newestOf(id)).snapshot_id));
  expect(await service(id)).toMatchObject({ active: true, down: false, state: 'new' });
  await medic.advance('2m');
  expect((await service(id)).state).toBe('down');
});

test('a deleted service comes back with its id, name and ping key, without its events', async () => {
  const old = await registered(medic, { team: 'ops' });
  const { service_id: id, heartbeat_name, ping_key } = old;
  resultsOf(await medic.call('POST', `/v2/services/${id}/mute`, { duration: '1h' }));
  await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'UP' });
  resultsOf(await medic.call('DELETE', `/v2/services/${id}`));
  const gone = await newestOf(id);
  expect(gone).toMatchObject({ action_type: 'delete', heartbeat_name });
  expect(JSON.stringify(gone)).not.toContain(ping_key);
  resultsOf(await restore(gone.snapshot_id));
  // Before the events of the former life are forgotten; those of this one stay.
  await medic.call('POST', '/heartbeat', { heartbeat_name, status: 'DEGRADED' });
  await medic.settle();
  const now = await service(id);
  expect(now).toMatchObject({ service_id: id, heartbeat_name, team: 'ops', muted: true, state: 'degraded' });
  expect(now).toMatchObject({
    date_added: old.date_added,
    monitoring_since: medic.clock.now().toISOString(),
  });
  const events = resultsOf(await medic.call('GET', `/v2/services/${id}/heartbeats`)).entries;
  expect(events.map((event: { status: string }) => event.status)).toEqual(['DEGRADED']);
  expect((await medic.call('GET', `/ping/${ping_key}`)).status).toBe(200);
  expectFailure(await restore(gone.snapshot_id), 400, 'already been restored');
  const next = await registered(medic);
  expect(next.service_id).toBeGreaterThan(id);
});

test('a team and a schedule that were deleted meanwhile do not come back with the service', async () => {
  const team = resultsOf(await medic.call('POST', '/v2/teams', { name: 'Gone' }), 201);
  const { service_id: id } = await registered(medic, { team_id: team.team_id });
  resultsOf(await patch(id, { team_id: null }));
  const { snapshot_id, action_type } = await newestOf(id);
  expect(action_type).toBe('team_change');
  resultsOf(await medic.call('DELETE', `/v2/services/${id}`));
  const { snapshot_id: deletion } = await newestOf(id);
  resultsOf(await medic.call('DELETE', `/v2/teams/${team.team_id}`));
  resultsOf(await restore(deletion));
  resultsOf(await restore(snapshot_id));
  expect((await service(id)).team_id).toBe(null);
});

test('a deleted service whose name is taken does not come back, until it is free', async () => {
  const { service_id: id, heartbeat_name } = await registered(medic);
  resultsOf(await patch(id, { priority: 'p1' }));
  const { snapshot_id: edit } = await newestOf(id);
  resultsOf(await medic.call('DELETE', `/v2/services/${id}`));
  const { snapshot_id } = await newestOf(id);
  const other = await registered(medic, { heartbeat_name: heartbeat_name.toUpperCase() });
  expectFailure(await restore(snapshot_id), 409, heartbeat_name);
  expectFailure(await restore(edit), 409, `${id}`);
  resultsOf(await medic.call('DELETE', `/v2/services/${other.service_id}`));
  resultsOf(await restore(snapshot_id));
  resultsOf(await restore(edit));
  expect((await service(id)).priority).toBe('p3');
});

test.each(['edit', 'delete'])('of ten restores of one %s at once exactly one wins', async (kind) => {
  const { service_id: id } = await registered(medic);
  resultsOf(await patch(id, { priority: 'p1' }));
  if (kind === 'delete') resultsOf(await medic.call('DELETE', `/v2/services/${id}`));
  const { snapshot_id } = await newestOf(id);
  const answers = await Promise.all(Array.from({ length: 10 }, () => restore(snapshot_id)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(400)]);
  const restores = (await kindsOf(id)).filter((one: string) => one === 'restore');
  expect(restores).toHaveLength(kind === 'edit' ? 1 : 0);
});

test('restores, changes and deletions at once end in a state that one of them wrote, without a failure', async () => {
  const { service_id: id } = await registered(medic);
  for (const priority of ['p1', 'p2', 'p4']) resultsOf(await patch(id, { priority }));
  const ids = (await snapshotsOf(id)).map((entry: { snapshot_id: number }) => entry.snapshot_id);
  const answers = await Promise.all([
    ...ids.map(restore),
    medic.call('DELETE', `/v2/services/${id}`),
    patch(id, { team: 'late' }),
    medic.call('POST', `/v2/services/${id}/mute`),
  ]);
  for (const { status, body } of answers) expect([200, 404, 409], JSON.stringify(body)).toContain(status);
  expectFailure(await medic.call('GET', `/v2/services/${id}`), 404);
});

test.each([
  ['start_date=soon', 'start_date'],
  ['end_date=2026-13-01', 'end_date'],
  ['action_type=undo', 'action_type: must be one of deactivate, activate, mute'],
  ['service_id=x', 'service_id'],
  ['color=red', 'color'],
])('GET /v2/snapshots?%s is refused by name', async (query, words) => {
  expectFailure(await medic.call('GET', `/v2/snapshots?${query}`), 400, words);
});

test('snapshots are filtered, newest first, in pages', async () => {
  const { service_id: id } = await registered(medic);
  for (const priority of ['p1', 'p2', 'p1', 'p2']) {
    resultsOf(await patch(id, { priority }));
    await medic.advance('1s');
  }
  const all = await snapshotsOf(id);
  expect(all.map((entry: { created_at: string }) => entry.created_at)).toEqual(
    all
      .map((entry: { created_at: string }) => entry.created_at)
      .toSorted()
      .reverse(),
  );
  const page = resultsOf(await medic.call('GET', `/v2/snapshots?service_id=${id}&limit=3&offset=2`));
  expect(page).toMatchObject({ total_count: 4, has_more: false, entries: all.slice(2) });
  expect(await snapshotsOf(id, '&action_type=EDIT')).toEqual([]);
  expect(await snapshotsOf(id, '&action_type=Priority_Change')).toEqual(all);
  expect(await snapshotsOf(id, `&start_date=${all[1].created_at}&end_date=${all[0].created_at}`)).toEqual(
    all.slice(0, 2),
  );
});

test('an unknown snapshot is 404', async () => {
  for (const id of ['999999', '0', 'x', '-1', '99999999999999999999']) {
    expectFailure(await medic.call('GET', `/v2/snapshots/${id}`), 404);
    expectFailure(await medic.call('POST', `/v2/snapshots/${id}/restore`), 404);
  }
});
