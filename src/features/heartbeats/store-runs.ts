import { type Database, sql } from '../../platform/db.ts';
import { type Outage, staleAt } from './outage.ts';

/** A signal of a run: its start or its end. */
export interface RunSignal {
  serviceId: number;
  runId: string;
  status: 'STARTED' | 'COMPLETED' | 'FAILED';
  at: Date;
  maxDurationMs: number | null;
}

/** Stores the starts of runs that are not known yet; for the others the first start keeps counting. */
export async function startRuns(db: Database, signals: readonly RunSignal[]): Promise<void> {
  if (signals.length === 0) return;
  await db.query(sql`
    insert into medic.job_runs (service_id, run_id, status, started_at, stale_at)
    select service_id, run_id, 'STARTED', at, stale_at
    from unnest(
      ${signals.map((signal) => signal.serviceId)}::int[],
      ${signals.map((signal) => signal.runId)}::text[],
      ${signals.map((signal) => signal.at)}::timestamptz[],
      ${signals.map(({ at, maxDurationMs }) => staleAt(at, maxDurationMs))}::timestamptz[]
    ) as signal (service_id, run_id, at, stale_at)
    on conflict do nothing`);
}

export interface FinishedRun {
  service_id: number;
  run_id: string;
  status: 'COMPLETED' | 'FAILED';
  started_at: Date;
  /** Null: the start was never seen. */
  duration_ms: number | null;
  /** A stale alert was opened for it, whatever became of that. */
  was_stale: boolean;
}

/**
 * Finishes runs, once each; a run that is unknown is stored as a completion only.
 * @returns the runs that were finished here and now.
 */
export async function finishRuns(db: Database, signals: readonly RunSignal[]): Promise<FinishedRun[]> {
  if (signals.length === 0) return [];
  const { rows } = await db.query<FinishedRun>(sql`
    with signal as (
      select * from unnest(
        ${signals.map((signal) => signal.serviceId)}::int[],
        ${signals.map((signal) => signal.runId)}::text[],
        ${signals.map((signal) => signal.status)}::text[],
        ${signals.map((signal) => signal.at)}::timestamptz[]
      ) as signal (service_id, run_id, status, at)
    ), finished as (
      update medic.job_runs run set
        status = signal.status, completed_at = signal.at, stale_at = null,
        duration_ms = greatest(0, trunc(extract(epoch from signal.at - run.started_at) * 1000))
      from signal join medic.job_runs before using (service_id, run_id)
      where run.service_id = signal.service_id and run.run_id = signal.run_id
        and run.status in ('STARTED', 'STALE_ALERTED')
      returning run.service_id, run.run_id, run.status, run.started_at, run.duration_ms,
        before.status = 'STALE_ALERTED' as was_stale
    ), unknown as (
      insert into medic.job_runs (service_id, run_id, status, started_at, completed_at)
      select service_id, run_id, status, at, at from signal
      where not exists (
        select from medic.job_runs run where run.service_id = signal.service_id and run.run_id = signal.run_id)
      on conflict do nothing
      returning service_id, run_id, status, started_at, duration_ms, false as was_stale
    )
    select * from finished union all select * from unknown`);
  return rows;
}

/** Services with a run that has become stale before `before`. */
export async function servicesWithStaleRuns(db: Database, before: Date, limit: number): Promise<number[]> {
  const { rows } = await db.query<{ service_id: number }>(sql`
    select distinct service_id from (
      select service_id from medic.job_runs
      where stale_at is not null and greatest(stale_at, held_until) < ${before}
      order by greatest(stale_at, held_until) limit ${limit}) due`);
  return rows.map((row) => row.service_id);
}

export interface StaleRun {
  service_id: number;
  run_id: string;
  started_at: Date;
  stale_at: Date;
}

/**
 * Puts off the stale runs of a service that the caller has locked until a maintenance window has ended; their limits
 * stay what they are. @returns those that the window did not hold back before.
 */
export async function holdRuns(
  db: Database,
  serviceId: number,
  hold: { windowId: number | null; until: Date },
  before: Date,
): Promise<string[]> {
  const { rows } = await db.query<{ run_id: string; anew: boolean }>(sql`
    with due as (
      select run_id, held_by is distinct from ${hold.windowId}::int as anew from medic.job_runs
      where service_id = ${serviceId} and stale_at < ${before})
    update medic.job_runs run set held_by = ${hold.windowId}, held_until = ${hold.until}
    from due where run.service_id = ${serviceId} and run.run_id = due.run_id
    returning due.run_id, due.anew`);
  return rows.filter(({ anew }) => anew).map(({ run_id }) => run_id);
}

/** Marks the stale runs of services that the caller has locked. @returns them. */
export async function markStale(
  db: Database,
  serviceIds: readonly number[],
  before: Date,
): Promise<StaleRun[]> {
  const { rows } = await db.query<StaleRun>(sql`
    with due as (
      select service_id, run_id, started_at, stale_at from medic.job_runs
      where service_id = any(${serviceIds}) and stale_at < ${before} and status = 'STARTED')
    update medic.job_runs run set status = 'STALE_ALERTED', stale_at = null, held_by = null, held_until = null
    from due where run.service_id = due.service_id and run.run_id = due.run_id
    returning due.service_id, due.run_id, due.started_at, due.stale_at`);
  return rows;
}

export async function nextStale(db: Database): Promise<Date | null> {
  const { rows } = await db.query<{ at: Date | null }>(sql`
    select min(greatest(stale_at, held_until)) as at from medic.job_runs where stale_at is not null`);
  return rows[0]?.at ?? null;
}

/** Applies the limit of a service to its running runs; null: none of them becomes stale. */
export async function limitRuns(
  db: Database,
  serviceId: number,
  maxDurationMs: number | null,
  outages: readonly Outage[],
): Promise<void> {
  const { rows } = await db.query<{ run_id: string; started_at: Date }>(sql`
    select run_id, started_at from medic.job_runs
    where service_id = ${serviceId} and status = 'STARTED' and completed_at is null`);
  if (rows.length === 0) return;
  await db.query(sql`
    update medic.job_runs run set stale_at = limited.stale_at
    from unnest(
      ${rows.map((row) => row.run_id)}::text[],
      ${rows.map((row) => staleAt(row.started_at, maxDurationMs, outages))}::timestamptz[]
    ) as limited (run_id, stale_at)
    where run.service_id = ${serviceId} and run.run_id = limited.run_id`);
}

/** Extends the limits of running runs by an outage that began before they passed. */
export async function extendRuns(db: Database, { startedAt, endedAt }: Outage): Promise<void> {
  // A run that was started in an outage was heard as that ended: only the rest of it counts.
  await db.query(sql`
    update medic.job_runs set stale_at = stale_at + (${endedAt}::timestamptz - greatest(started_at, ${startedAt}))
    where stale_at >= ${startedAt} and started_at < ${endedAt}`);
}

export async function countStale(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.job_runs where status = 'STALE_ALERTED' and completed_at is null`);
  return rows[0]?.count ?? 0;
}

/** Removes finished runs, in batches. @returns how many. */
export async function deleteRunsBefore(db: Database, before: Date, limit: number): Promise<number> {
  const { rowCount } = await db.query(sql`
    delete from medic.job_runs where (service_id, run_id) in (
      select service_id, run_id from medic.job_runs where completed_at < ${before} limit ${limit})`);
  return rowCount ?? 0;
}
