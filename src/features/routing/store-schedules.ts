import { type Database, sql } from '../../platform/db.ts';
import { foldCase } from '../../platform/fold.ts';
import type { Hours } from './hours.ts';

/** A schedule as it is stored and answered (spec 04 section 5). */
export interface ScheduleRow {
  schedule_id: number;
  name: string;
  timezone: string;
  hours: Hours;
}

/** By name. */
export async function list(db: Database, page: { limit: number; offset: number }): Promise<ScheduleRow[]> {
  const { rows } = await db.query<ScheduleRow>(sql`
    select schedule_id, name, timezone, hours from medic.schedules
    order by name_key limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function count(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`select count(*)::int as count from medic.schedules`);
  return rows[0]?.count ?? 0;
}

export async function find(db: Database, scheduleId: number): Promise<ScheduleRow | undefined> {
  const { rows } = await db.query<ScheduleRow>(sql`
    select schedule_id, name, timezone, hours from medic.schedules where schedule_id = ${scheduleId}`);
  return rows[0];
}

export async function lock(db: Database, scheduleId: number): Promise<ScheduleRow | undefined> {
  const { rows } = await db.query<ScheduleRow>(sql`
    select schedule_id, name, timezone, hours from medic.schedules where schedule_id = ${scheduleId} for update`);
  return rows[0];
}

/** @returns its id. */
export async function insert(db: Database, schedule: Omit<ScheduleRow, 'schedule_id'>): Promise<number> {
  const { name, timezone, hours } = schedule;
  const { rows } = await db.query<{ schedule_id: number }>(sql`
    insert into medic.schedules (name, name_key, timezone, hours)
    values (${name}, ${foldCase(name)}, ${timezone}, ${JSON.stringify(hours)}) returning schedule_id`);
  return (rows[0] as { schedule_id: number }).schedule_id;
}

export async function update(db: Database, schedule: ScheduleRow): Promise<void> {
  const { schedule_id, name, timezone, hours } = schedule;
  await db.query(sql`
    update medic.schedules set
      name = ${name}, name_key = ${foldCase(name)}, timezone = ${timezone}, hours = ${JSON.stringify(hours)}
    where schedule_id = ${schedule_id}`);
}

/** @returns whether there was one. */
export async function remove(db: Database, scheduleId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`delete from medic.schedules where schedule_id = ${scheduleId}`);
  return rowCount === 1;
}
