import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { expectFailure, freshName, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';
import { eventually } from '../harness/process.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const create = (body: unknown) => medic.call('POST', '/v2/teams', body);
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
const created = async (fields: Record<string, unknown> = {}): Promise<any> =>
  resultsOf(await create({ name: freshName('Team'), ...fields }), 201);
const patch = (id: number, body: unknown) => medic.call('PATCH', `/v2/teams/${id}`, body);
const channelsAfter = async (action: () => Promise<unknown>) => {
  const before = medic.slack.messages.length;
  await action();
  await medic.settle();
  return medic.slack.messages.slice(before).map(({ channel }) => channel);
};
const fail = (heartbeat_name: string) => medic.call('POST', '/heartbeat', { heartbeat_name, status: 'DOWN' });

test('a team is created, read, listed by name, changed and removed', async () => {
  const beta = await created({ name: 'beta', slack_channel_id: 'C-BETA' });
  expect(beta).toEqual({ team_id: expect.any(Number), name: 'beta', slack_channel_id: 'C-BETA' });
  const alpha = await created({ name: 'Alpha' });
  expect(alpha.slack_channel_id).toBeNull();
  expect(resultsOf(await medic.call('GET', `/v2/teams/${beta.team_id}`))).toEqual(beta);
  expect(resultsOf(await medic.call('GET', '/v2/teams?limit=1'))).toEqual({
    entries: [alpha],
    total_count: 2,
    limit: 1,
    offset: 0,
    has_more: true,
  });
  expect(resultsOf(await patch(beta.team_id, {}))).toEqual(beta);
  const changed = { ...beta, name: 'Beta', slack_channel_id: null };
  expect(resultsOf(await patch(beta.team_id, { name: 'Beta', slack_channel_id: null }))).toEqual(changed);
  expect(resultsOf(await medic.call('DELETE', `/v2/teams/${beta.team_id}`))).toBe('');
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    const answer = await medic.call(method, `/v2/teams/${beta.team_id}`, method === 'PATCH' ? {} : undefined);
    expectFailure(answer, 404, String(beta.team_id));
  }
  expectFailure(await medic.call('GET', '/v2/teams?colour=red'), 400, 'colour');
});

test('a name is unique in any letter case', async () => {
  const { name } = await created({ name: 'Straße' });
  expectFailure(await create({ name: 'STRASSE' }), 409, 'STRASSE');
  const other = await created();
  expectFailure(await patch(other.team_id, { name: name.toLowerCase() }), 409);
  expect(resultsOf(await medic.call('GET', `/v2/teams/${other.team_id}`)).name).toBe(other.name);
  const name2 = freshName('Race');
  const answers = await Promise.all(Array.from({ length: 8 }, () => create({ name: name2 })));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
});

test.each([
  [{}, 'name'],
  [{ name: '' }, 'name'],
  [{ name: ' x' }, 'name'],
  [{ name: 'x\n' }, 'name'],
  [{ name: 'x\u0000y' }, 'name'],
  [{ name: '\ud800' }, 'name'],
  [{ name: 'x'.repeat(101) }, 'name'],
  [{ name: null }, 'name'],
  [{ name: 7 }, 'name'],
  [{ name: 'x', slack_channel_id: 7 }, 'slack_channel_id'],
  [{ name: 'x', slack_channel_id: 'x'.repeat(101) }, 'slack_channel_id'],
  [{ name: 'x', slack_channel_id: 'a\u0000' }, 'slack_channel_id'],
  [{ name: 'x', team_id: 1 }, 'team_id'],
  [{ name: 'x', __proto__: null, colour: 'red' }, 'colour'],
])('%j is refused and names %s', async (body, member) => {
  expectFailure(await create(body), 400, member);
  const { team_id } = await created();
  if (Object.keys(body).length > 0) expectFailure(await patch(team_id, body), 400, member);
});

test('services name teams and schedules that exist, in both versions of the interface', async () => {
  const { team_id } = await created();
  const schedule = resultsOf(
    await medic.call('POST', '/v2/schedules', { name: freshName(), hours: {} }),
    201,
  );
  const { schedule_id } = schedule;
  const service = await registered(medic, { team_id, schedule_id });
  expect(service).toMatchObject({ team_id, schedule_id });
  const path = `/v2/services/${service.service_id}`;
  expect(resultsOf(await medic.call('PATCH', path, { team_id: null }))).toMatchObject({ team_id: null });
  expect(resultsOf(await medic.call('PATCH', path, { team_id }))).toMatchObject({ team_id, schedule_id });
  expect(
    resultsOf(await medic.call('GET', `/v2/services?team_id=${team_id}`)).entries.map(
      (one: { service_id: number }) => one.service_id,
    ),
  ).toEqual([service.service_id]);
  const v1 = { heartbeat_name: freshName(), service_name: 'x', alert_interval: 5, team_id, schedule_id };
  expect(resultsOf(await medic.call('POST', '/service', v1), 201)).toMatchObject({ team_id, schedule_id });
  for (const member of ['team_id', 'schedule_id']) {
    for (const unknown of [999_999, 2_147_483_648, Number.MAX_SAFE_INTEGER]) {
      const fields = { [member]: unknown };
      const fresh = { service_name: 'x', alert_interval: 5, ...fields };
      for (const [method, target, body] of [
        ['PATCH', path, fields],
        ['POST', '/v2/services', { ...fresh, heartbeat_name: freshName() }],
        ['POST', '/service', { ...fresh, heartbeat_name: freshName() }],
        ['POST', `/service/${service.heartbeat_name}`, fields],
      ] as const) {
        expectFailure(await medic.call(method, target, body), 400, member, String(unknown));
      }
    }
  }
  expect(resultsOf(await medic.call('DELETE', `/v2/teams/${team_id}`))).toBe('');
  expect(resultsOf(await medic.call('GET', path))).toMatchObject({ team_id: null, schedule_id });
  expect(resultsOf(await medic.call('DELETE', `/v2/schedules/${schedule_id}`))).toBe('');
  expect(resultsOf(await medic.call('GET', path))).toMatchObject({ team_id: null, schedule_id: null });
});

test('a team that is removed while services are given to it leaves no service with it, and no 5xx', async () => {
  const services = await Promise.all(Array.from({ length: 4 }, () => registered(medic)));
  for (let round = 0; round < 5; round += 1) {
    const { team_id } = await created();
    const answers = await Promise.all([
      medic.call('DELETE', `/v2/teams/${team_id}`),
      ...services.map(({ service_id }) => medic.call('PATCH', `/v2/services/${service_id}`, { team_id })),
    ]);
    expect(answers.filter(({ status }) => ![200, 400].includes(status))).toEqual([]);
    const { rowCount } = await medic.db.query(sql`select from medic.services where team_id is not null`);
    expect(rowCount).toBe(0);
  }
});

test('the Slack channel is that of the team by id, else by name in any letter case, else the default', async () => {
  const byId = await created({ name: 'Ärzte', slack_channel_id: 'C-ID' });
  const byName = await created({ name: 'Payments', slack_channel_id: 'C-NAME' });
  const silent = await created({ name: 'Silent', slack_channel_id: '' });
  expect(silent.slack_channel_id).toBeNull();
  const channelOf = async (fields: Record<string, unknown>) => {
    const { heartbeat_name } = await registered(medic, fields);
    return channelsAfter(() => fail(heartbeat_name));
  };
  expect(await channelOf({ team_id: byId.team_id, team: 'PAYMENTS' })).toEqual(['C-ID']);
  expect(await channelOf({ team: 'pAyMeNtS' })).toEqual(['C-NAME']);
  expect(await channelOf({ team: 'ÄRZTE' })).toEqual(['C-ID']);
  // A team by id without a channel falls back to the default, not to a name.
  expect(await channelOf({ team_id: silent.team_id, team: 'payments' })).toEqual(['C-DEFAULT']);
  expect(await channelOf({ team: 'nobody' })).toEqual(['C-DEFAULT']);
  expect(await channelOf({ team: '' })).toEqual(['C-DEFAULT']);

  // A recovery goes to where the opening went, whatever the team says now.
  const { heartbeat_name } = await registered(medic, { team_id: byId.team_id });
  await channelsAfter(() => fail(heartbeat_name));
  await patch(byId.team_id, { slack_channel_id: 'C-NEW' });
  const recovery = await channelsAfter(() =>
    medic.call('POST', '/heartbeat', { heartbeat_name, status: 'UP' }),
  );
  expect(recovery).toEqual(['C-ID']);
  expect(byName.name).toBe('Payments');
});

test('a service can be changed at the moment in which its team is removed', async () => {
  const { team_id } = await created();
  const { service_id } = await registered(medic, { team_id });
  const changed = await medic.db.transaction(async (tx) => {
    await tx.query(sql`delete from medic.teams where team_id = ${team_id}`);
    const answer = medic.call('PATCH', `/v2/services/${service_id}`, { priority: 'p1' });
    await eventually('the change waits for the removal', 5_000, async () => {
      const { rowCount } = await medic.db.query(sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`);
      return rowCount === 1;
    });
    return [answer];
  });
  expect(resultsOf(await (changed[0] as (typeof changed)[0]))).toMatchObject({
    team_id: null,
    priority: 'p1',
  });
});
