import { empty, join, type Sql } from 'sql-template-tag';
import { type Database, sql } from '../../platform/db.ts';
import { foldCase } from '../../platform/fold.ts';

/** A maintenance window as it is stored (spec 04 section 6). */
export interface WindowRow {
  window_id: number;
  name: string;
  starts_at: Date;
  ends_at: Date;
  recurrence: string | null;
  timezone: string;
  all_services: boolean;
  revision: number;
  /** Empty: all services, or none any more; `all_services` tells. */
  service_ids: number[];
}

export type WindowSettings = Omit<WindowRow, 'window_id' | 'revision'>;

const columns = (services: Sql) => sql`
  maintenance.window_id, maintenance.name, maintenance.starts_at, maintenance.ends_at, maintenance.recurrence,
  maintenance.timezone, maintenance.all_services, maintenance.revision,
  array(select link.service_id from medic.maintenance_window_services link
    where link.window_id = maintenance.window_id ${services} order by link.service_id) as service_ids`;

const ROWS = sql`select ${columns(empty)} from medic.maintenance_windows maintenance`;

const concerns = (serviceIds: readonly number[]) => sql`
  (maintenance.all_services or exists (select from medic.maintenance_window_services link
    where link.window_id = maintenance.window_id and link.service_id = any(${serviceIds})))`;

const where = (serviceId: number | undefined) =>
  serviceId === undefined ? empty : sql`where ${concerns([serviceId])}`;

/** Newest first; `limit` null: all. */
export async function list(
  db: Database,
  serviceId: number | undefined,
  page: { limit: number | null; offset: number },
): Promise<WindowRow[]> {
  const { rows } = await db.query<WindowRow>(sql`
    ${ROWS} ${where(serviceId)} order by maintenance.window_id desc limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function count(db: Database, serviceId: number | undefined): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.maintenance_windows maintenance ${where(serviceId)}`);
  return rows[0]?.count ?? 0;
}

export async function find(db: Database, windowId: number): Promise<WindowRow | undefined> {
  const { rows } = await db.query<WindowRow>(sql`${ROWS} where maintenance.window_id = ${windowId}`);
  return rows[0];
}

/** Takes the lock under which a window changes; whoever also needs state rows takes those afterwards. */
export async function lock(db: Database, windowId: number): Promise<WindowRow | undefined> {
  await db.query(sql`select from medic.maintenance_windows where window_id = ${windowId} for update`);
  // As it is after whoever held the lock before, with the services of then.
  return find(db, windowId);
}

/** @returns its id. */
export async function insert(db: Database, settings: WindowSettings): Promise<number> {
  const { name, starts_at, ends_at, recurrence, timezone, all_services } = settings;
  const { rows } = await db.query<{ window_id: number }>(sql`
    insert into medic.maintenance_windows (name, name_key, starts_at, ends_at, recurrence, timezone, all_services)
    values (${name}, ${foldCase(name)}, ${starts_at}, ${ends_at}, ${recurrence}, ${timezone}, ${all_services})
    returning window_id`);
  return (rows[0] as { window_id: number }).window_id;
}

export async function update(db: Database, windowId: number, settings: WindowSettings): Promise<void> {
  const { name, starts_at, ends_at, recurrence, timezone, all_services } = settings;
  await db.query(sql`
    update medic.maintenance_windows set
      name = ${name}, name_key = ${foldCase(name)}, starts_at = ${starts_at}, ends_at = ${ends_at},
      recurrence = ${recurrence}, timezone = ${timezone}, all_services = ${all_services}, revision = revision + 1
    where window_id = ${windowId}`);
}

/** Replaces the services of a window; the caller has found them to exist. */
export async function setServices(
  db: Database,
  windowId: number,
  serviceIds: readonly number[],
): Promise<void> {
  await db.query(sql`
    delete from medic.maintenance_window_services
    where window_id = ${windowId} and service_id <> all(${serviceIds})`);
  await db.query(sql`
    insert into medic.maintenance_window_services (window_id, service_id)
    select ${windowId}, service_id from unnest(${serviceIds}::int[]) service_id
    on conflict do nothing`);
}

/** Those of the services that exist, which go on to exist until the end of the transaction. */
export async function keepServices(db: Database, serviceIds: readonly number[]): Promise<number[]> {
  if (serviceIds.length === 0) return [];
  const { rows } = await db.query<{ service_id: number }>(sql`
    select service_id from medic.services where service_id = any(${serviceIds})
    order by service_id for key share`);
  return rows.map((row) => row.service_id);
}

/** @returns whether there was one. */
export async function remove(db: Database, windowId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    delete from medic.maintenance_windows where window_id = ${windowId}`);
  return rowCount === 1;
}

/** Locks the windows that name one of the services, in the order of their ids. */
export async function lockNaming(db: Database, serviceIds: readonly number[]): Promise<void> {
  await db.query(sql`
    select from medic.maintenance_windows
    where window_id in (
      select window_id from medic.maintenance_window_services where service_id = any(${serviceIds}))
    order by window_id for update`);
}

/** Removes windows whose last service is gone. @returns their ids. */
export async function removeEmpty(db: Database): Promise<number[]> {
  const { rows } = await db.query<{ window_id: number }>(sql`
    delete from medic.maintenance_windows where window_id in (
      select window_id from medic.maintenance_windows maintenance
      where not all_services and not exists (
        select from medic.maintenance_window_services link where link.window_id = maintenance.window_id)
      for update skip locked)
    returning window_id`);
  return rows.map((row) => row.window_id);
}

/** The windows that may cover one of the services between two instants; of the services only those asked for. */
export async function candidates(
  db: Database,
  serviceIds: readonly number[],
  { from, to }: { from: Date; to: Date },
): Promise<WindowRow[]> {
  const { rows } = await db.query<WindowRow>(sql`
    select ${columns(sql`and link.service_id = any(${serviceIds})`)} from medic.maintenance_windows maintenance
    where (maintenance.recurrence is not null or maintenance.ends_at > ${from})
      and maintenance.starts_at <= ${to} and ${concerns(serviceIds)}
    order by maintenance.window_id`);
  return rows;
}

/**
 * Keeps windows from being changed until the end of the transaction. Never waits: what is being changed now, or was
 * since it was read, is left out.
 */
export async function keepAsRead(
  db: Database,
  windows: readonly { window_id: number; revision: number }[],
): Promise<number[]> {
  const { rows } = await db.query<{ window_id: number }>(sql`
    select window_id from medic.maintenance_windows
    where (window_id, revision) in (${join(windows.map((one) => sql`(${one.window_id}::int, ${one.revision}::int)`))})
    for share skip locked`);
  return rows.map((row) => row.window_id);
}
