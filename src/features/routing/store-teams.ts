import { type Database, sql } from '../../platform/db.ts';
import { foldCase } from '../../platform/fold.ts';

/** A team as it is stored and answered (spec 04 section 3). */
export interface Team {
  team_id: number;
  name: string;
  slack_channel_id: string | null;
}

export type TeamSettings = Omit<Team, 'team_id'>;

/** By name. */
export async function list(db: Database, page: { limit: number; offset: number }): Promise<Team[]> {
  const { rows } = await db.query<Team>(sql`
    select team_id, name, slack_channel_id from medic.teams
    order by name_key limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function count(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`select count(*)::int as count from medic.teams`);
  return rows[0]?.count ?? 0;
}

export async function find(db: Database, teamId: number): Promise<Team | undefined> {
  const { rows } = await db.query<Team>(sql`
    select team_id, name, slack_channel_id from medic.teams where team_id = ${teamId}`);
  return rows[0];
}

export async function lock(db: Database, teamId: number): Promise<Team | undefined> {
  const { rows } = await db.query<Team>(sql`
    select team_id, name, slack_channel_id from medic.teams where team_id = ${teamId} for update`);
  return rows[0];
}

/** @returns its id. */
export async function insert(db: Database, { name, slack_channel_id }: TeamSettings): Promise<number> {
  const { rows } = await db.query<{ team_id: number }>(sql`
    insert into medic.teams (name, name_key, slack_channel_id)
    values (${name}, ${foldCase(name)}, ${slack_channel_id}) returning team_id`);
  return (rows[0] as { team_id: number }).team_id;
}

export async function update(db: Database, { team_id, name, slack_channel_id }: Team): Promise<void> {
  await db.query(sql`
    update medic.teams set name = ${name}, name_key = ${foldCase(name)}, slack_channel_id = ${slack_channel_id}
    where team_id = ${team_id}`);
}

/** @returns whether there was one. */
export async function remove(db: Database, teamId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`delete from medic.teams where team_id = ${teamId}`);
  return rowCount === 1;
}

/** Which team each service belongs to: by id, or, without one, the text that names it. */
export async function teamsOfServices(
  db: Database,
  serviceIds: readonly number[],
): Promise<{ service_id: number; team_id: number | null; team: string }[]> {
  const { rows } = await db.query<{ service_id: number; team_id: number | null; team: string }>(sql`
    select service_id, team_id, team from medic.services where service_id = any(${serviceIds})`);
  return rows;
}

/** The channels of teams, found by id or by name in any letter case. */
export async function channels(
  db: Database,
  teamIds: readonly number[],
  nameKeys: readonly string[],
): Promise<{ team_id: number; name_key: string; slack_channel_id: string }[]> {
  const { rows } = await db.query<{ team_id: number; name_key: string; slack_channel_id: string }>(sql`
    select team_id, name_key, slack_channel_id from medic.teams
    where (team_id = any(${teamIds}) or name_key = any(${nameKeys})) and slack_channel_id is not null`);
  return rows;
}
