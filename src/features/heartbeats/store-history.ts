import { empty, join, type Sql } from 'sql-template-tag';
import { type Database, sql } from '../../platform/db.ts';
import { POPULATION } from './statistics.ts';

export async function serviceExists(db: Database, serviceId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`select from medic.services where service_id = ${serviceId}`);
  return rowCount === 1;
}

interface Filter {
  serviceId: number;
  status: string | undefined;
  runId: string | undefined;
  from: Date | undefined;
  to: Date | undefined;
}

export interface EventRow {
  heartbeat_id: number;
  received_at: Date;
  status: string;
  run_id: string | null;
  message: string | null;
  source: string;
}

interface Page {
  limit: number;
  offset: number;
}

const NEWEST_FIRST = sql`order by received_at desc, heartbeat_id desc`;

/**
 * Events of a service, newest first. Which are on the page is found in the index alone, however many are skipped. Each
 * is then looked up by its key: a join could be planned as a comparison with all events.
 */
export async function listEvents(db: Database, filter: Filter, page: Page): Promise<EventRow[]> {
  const { rows } = await db.query<EventRow>(sql`
    with page as (
      select received_at, heartbeat_id from medic.heartbeats where ${conditions(filter, 'received_at')}
      ${NEWEST_FIRST} limit ${page.limit} offset ${page.offset}
    )
    select event.* from page cross join lateral (
      select heartbeat_id, received_at, status, run_id, message, source from medic.heartbeats
      where service_id = ${filter.serviceId} and received_at = page.received_at and heartbeat_id = page.heartbeat_id
      limit 1
    ) event
    order by event.received_at desc, event.heartbeat_id desc`);
  return rows;
}

export async function countEvents(db: Database, filter: Filter): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.heartbeats where ${conditions(filter, 'received_at')}`);
  return rows[0]?.count ?? 0;
}

export interface RunRow {
  run_id: string;
  status: string;
  started_at: Date;
  completed_at: Date | null;
  duration_ms: number | null;
}

export interface RunFilter extends Filter {
  /** Started and not finished. */
  open: boolean | undefined;
  startedBefore: Date | undefined;
}

/** Runs of a service, newest start first. */
export async function listRuns(db: Database, filter: RunFilter, page: Page): Promise<RunRow[]> {
  const { rows } = await db.query<RunRow>(sql`
    select run_id, status, started_at, completed_at, duration_ms from medic.job_runs
    where ${runConditions(filter)}
    order by started_at desc, run_id desc limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function countRuns(db: Database, filter: RunFilter): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.job_runs where ${runConditions(filter)}`);
  return rows[0]?.count ?? 0;
}

/** The durations, in milliseconds, of the newest finished runs whose start was seen. */
export async function newestDurations(db: Database, serviceId: number): Promise<number[]> {
  const { rows } = await db.query<{ duration_ms: number }>(sql`
    select duration_ms from medic.job_runs
    where service_id = ${serviceId} and duration_ms is not null
    order by completed_at desc, run_id desc limit ${POPULATION}`);
  return rows.map((row) => row.duration_ms);
}

function runConditions(filter: RunFilter): Sql {
  const { open, startedBefore } = filter;
  return join(
    [
      conditions(filter, 'started_at'),
      open === undefined ? empty : open ? sql`completed_at is null` : sql`completed_at is not null`,
      startedBefore === undefined ? empty : sql`started_at <= ${startedBefore}`,
    ].filter((condition) => condition !== empty),
    ' and ',
  );
}

function conditions(filter: Filter, time: 'received_at' | 'started_at'): Sql {
  const { serviceId, status, runId, from, to } = filter;
  const at = time === 'received_at' ? sql`received_at` : sql`started_at`;
  return join(
    [
      sql`service_id = ${serviceId}`,
      status === undefined ? empty : sql`status = ${status}`,
      runId === undefined ? empty : sql`run_id = ${runId}`,
      from === undefined ? empty : sql`${at} >= ${from}`,
      to === undefined ? empty : sql`${at} <= ${to}`,
    ].filter((condition) => condition !== empty),
    ' and ',
  );
}
