import { type Database, sql } from '../../platform/db.ts';

/** A failure report whose alert is held back by a maintenance window. */
export interface HeldReport {
  status: 'DOWN' | 'FAILED';
  runId: string | null;
  message: string | null;
}

/** Keeps the newest failure report of services that the caller has locked, whatever happens to its event. */
export async function saveReports(
  db: Database,
  reports: readonly (HeldReport & { serviceId: number })[],
): Promise<void> {
  if (reports.length === 0) return;
  await db.query(sql`
    insert into medic.held_reports (service_id, status, run_id, message)
    select * from unnest(
      ${reports.map((report) => report.serviceId)}::int[], ${reports.map((report) => report.status)}::text[],
      ${reports.map((report) => report.runId)}::text[], ${reports.map((report) => report.message)}::text[])
    on conflict (service_id) do update set
      status = excluded.status, run_id = excluded.run_id, message = excluded.message`);
}

/** Takes the reports of services that the caller has locked: their alerts open, or need not any more. */
export async function takeReports(
  db: Database,
  serviceIds: readonly number[],
): Promise<Map<number, HeldReport>> {
  if (serviceIds.length === 0) return new Map();
  const { rows } = await db.query<{
    service_id: number;
    status: HeldReport['status'];
    run_id: string | null;
    message: string | null;
  }>(sql`
    delete from medic.held_reports where service_id = any(${serviceIds})
    returning service_id, status, run_id, message`);
  return new Map(
    rows.map(({ service_id, status, run_id, message }) => [service_id, { status, runId: run_id, message }]),
  );
}

/** Locks, in the order of their ids, the state rows of services of which a window holds back an alert. */
export async function lockHeld(db: Database, windowId: number): Promise<number[]> {
  const { rows } = await db.query<{ service_id: number }>(sql`
    select service_id from medic.service_state
    where service_id in (
      select service_id from medic.service_state where held_by = ${windowId}
      union
      select service_id from medic.job_runs where held_by = ${windowId} and stale_at is not null)
    order by service_id for no key update`);
  return rows.map((row) => row.service_id);
}

/** Has what a window holds back of these services judged at an instant. */
export async function release(
  db: Database,
  windowId: number,
  serviceIds: readonly number[],
  at: Date,
): Promise<void> {
  if (serviceIds.length === 0) return;
  await db.query(sql`
    update medic.service_state set check_at = least(check_at, ${at})
    where service_id = any(${serviceIds}) and held_by = ${windowId} and check_at is not null`);
  await db.query(sql`
    update medic.job_runs set held_until = null
    where service_id = any(${serviceIds}) and held_by = ${windowId} and stale_at is not null`);
}

/** Windows that still hold back something although they do not exist. */
export async function missingHolders(db: Database): Promise<number[]> {
  const { rows } = await db.query<{ held_by: number }>(sql`
    select held_by from (
      select held_by from medic.service_state where held_by is not null
      union
      select held_by from medic.job_runs where held_by is not null and stale_at is not null and held_until is not null
    ) holder
    where not exists (select from medic.maintenance_windows where window_id = held_by)`);
  return rows.map((row) => row.held_by);
}
