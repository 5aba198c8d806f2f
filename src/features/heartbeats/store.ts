import { scheduleOf } from '../../platform/cron.ts';
import { type Database, sql } from '../../platform/db.ts';
import type { Expectation } from './expectation.ts';
import type { Check } from './next-check.ts';
import type { Status } from './status.ts';
import type { Vitality } from './vitality.ts';

/** Everything that judging one service needs; read while its state row is locked. */
export interface Subject {
  serviceId: number;
  heartbeatName: string;
  active: boolean;
  maxDurationMs: number | null;
  expectation: Expectation;
  vitality: Vitality;
  checkAt: Date | null;
  alert: { alertId: number; periodFrom: Date } | null;
  /** The window that holds back its alert, as of the last judgement. */
  heldBy: number | null;
}

interface SubjectRow {
  service_id: number;
  heartbeat_name: string;
  active: boolean;
  max_duration_ms: number | null;
  alert_interval_seconds: number | null;
  expected_cron: string | null;
  expected_timezone: string;
  threshold: number;
  grace_period_seconds: number;
  monitoring_since: Date;
  check_at: Date | null;
  signs: Date[];
  ever_alive: boolean;
  failure_uncleared: boolean;
  last_heartbeat_at: Date | null;
  last_status: Status | null;
  alert_id: number | null;
  period_from: Date | null;
  held_by: number | null;
}

/** Locks the state rows of services in id order; unknown ids are left out. */
export async function lockAll(db: Database, serviceIds: readonly number[]): Promise<number[]> {
  const { rows } = await db.query<{ service_id: number }>(sql`
    select service_id from medic.service_state
    where service_id = any(${serviceIds})
    order by service_id
    for no key update`);
  return rows.map((row) => row.service_id);
}

export async function lockById(db: Database, serviceId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    select from medic.service_state where service_id = ${serviceId} for no key update`);
  return rowCount === 1;
}

/** Locks those of the services that nobody else holds. */
export async function lockFree(db: Database, serviceIds: readonly number[]): Promise<number[]> {
  if (serviceIds.length === 0) return [];
  const { rows } = await db.query<{ service_id: number }>(sql`
    select service_id from medic.service_state where service_id = any(${serviceIds})
    order by service_id for no key update skip locked`);
  return rows.map((row) => row.service_id);
}

/** Locks a service if its check is due before `before`. */
export async function lockIfDue(db: Database, serviceId: number, before: Date): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    select from medic.service_state where service_id = ${serviceId} and check_at < ${before}
    for no key update`);
  return rowCount === 1;
}

/** Takes services whose check is due before `before` and that nobody else holds, at most `limit`, and locks them. */
export async function lockDue(db: Database, before: Date, limit: number): Promise<number[]> {
  const { rows } = await db.query<{ service_id: number }>({
    name: 'lock-due',
    text: `
      select service_id from medic.service_state
      where check_at < $1
      order by check_at
      limit $2
      for no key update skip locked`,
    values: [before, limit],
  });
  return rows.map((row) => row.service_id);
}

/** The earliest instant at which a service must be looked at, or null. */
export async function nextCheck(db: Database): Promise<Date | null> {
  const { rows } = await db.query<{ at: Date | null }>({
    name: 'next-check',
    text: 'select min(check_at) as at from medic.service_state where check_at is not null',
  });
  return rows[0]?.at ?? null;
}

/** The present facts of services whose state the caller has locked. */
export async function subjects(db: Database, serviceIds: readonly number[]): Promise<Subject[]> {
  const { rows } = await db.query<SubjectRow>(sql`
    select service.service_id, service.heartbeat_name, service.active, service.max_duration_ms,
      service.alert_interval_seconds, service.expected_cron, service.expected_timezone, service.threshold, service.grace_period_seconds, service.monitoring_since,
      state.check_at, state.signs, state.ever_alive, state.failure_uncleared,
      state.last_heartbeat_at, state.last_status, state.alert_id, state.held_by, alert.period_from
    from medic.service_state state
    join medic.services service using (service_id)
    left join medic.alerts alert on alert.alert_id = state.alert_id
    where state.service_id = any(${serviceIds})
    order by state.service_id`);
  return rows.map(subjectOf);
}

/** The columns of a service that say when it must report. */
export interface ExpectationRow {
  alert_interval_seconds: number | null;
  expected_cron: string | null;
  expected_timezone: string;
  threshold: number;
  grace_period_seconds: number;
  monitoring_since: Date;
}

/** Throws CronError for a stored expression that cannot be evaluated. */
export function expectationOf(row: ExpectationRow): Expectation {
  const always = { graceSeconds: row.grace_period_seconds, monitoringSince: row.monitoring_since };
  if (row.expected_cron !== null) {
    const schedule = scheduleOf(row.expected_cron, row.expected_timezone);
    return { ...always, mode: 'cron', threshold: 1, next: (after) => schedule.next(after) };
  }
  const intervalSeconds = row.alert_interval_seconds ?? 0;
  return { ...always, mode: 'interval', intervalSeconds, threshold: row.threshold };
}

function subjectOf(row: SubjectRow): Subject {
  return {
    serviceId: row.service_id,
    heartbeatName: row.heartbeat_name,
    active: row.active,
    maxDurationMs: row.max_duration_ms,
    expectation: expectationOf(row),
    vitality: {
      signs: row.signs,
      everAlive: row.ever_alive,
      failureUncleared: row.failure_uncleared,
      lastHeartbeatAt: row.last_heartbeat_at,
      lastStatus: row.last_status,
    },
    checkAt: row.check_at,
    alert:
      row.alert_id === null
        ? null
        : { alertId: row.alert_id, periodFrom: row.period_from ?? row.monitoring_since },
    heldBy: row.held_by,
  };
}

/** Writes back what reports said about services that the caller has locked. */
export async function saveVitality(
  db: Database,
  changes: readonly { serviceId: number; vitality: Vitality }[],
): Promise<void> {
  if (changes.length === 0) return;
  await db.query(sql`
    update medic.service_state state set
      signs = change.signs::timestamptz(3)[], ever_alive = change.ever_alive,
      failure_uncleared = change.failure_uncleared,
      last_heartbeat_at = change.last_heartbeat_at, last_status = change.last_status
    from unnest(
      ${changes.map(({ serviceId }) => serviceId)}::int[],
      ${changes.map(({ vitality }) => arrayLiteral(vitality.signs))}::text[],
      ${changes.map(({ vitality }) => vitality.everAlive)}::boolean[],
      ${changes.map(({ vitality }) => vitality.failureUncleared)}::boolean[],
      ${changes.map(({ vitality }) => vitality.lastHeartbeatAt)}::timestamptz[],
      ${changes.map(({ vitality }) => vitality.lastStatus)}::text[]
    ) as change (service_id, signs, ever_alive, failure_uncleared, last_heartbeat_at, last_status)
    where state.service_id = change.service_id`);
}

export async function saveChecks(db: Database, checks: readonly Check[]): Promise<void> {
  if (checks.length === 0) return;
  await db.query(sql`
    update medic.service_state state set
      check_at = next.check_at, alert_id = next.alert_id, awaited_at = next.awaited_at, held_by = next.held_by,
      late = next.late
    from unnest(
      ${checks.map((check) => check.serviceId)}::int[],
      ${checks.map((check) => check.checkAt)}::timestamptz[],
      ${checks.map((check) => check.alertId)}::bigint[],
      ${checks.map((check) => check.awaitedAt)}::timestamptz[],
      ${checks.map((check) => check.heldBy)}::int[],
      ${checks.map((check) => check.late)}::boolean[]
    ) as next (service_id, check_at, alert_id, awaited_at, held_by, late)
    where state.service_id = next.service_id`);
}

/** An unnest cannot take rows of arrays, so each travels as its literal. */
function arrayLiteral(instants: readonly Date[]): string {
  return `{${instants.map((instant) => instant.toISOString()).join(',')}}`;
}

/** Takes a service that cannot be judged out of the way until `checkAt`. */
export async function postpone(db: Database, serviceId: number, checkAt: Date): Promise<void> {
  await db.query(sql`
    update medic.service_state set check_at = ${checkAt} where service_id = ${serviceId}`);
}

/** Takes the stale runs of a service that cannot be judged out of the way until `staleAt`. */
export async function postponeRuns(db: Database, serviceId: number, staleAt: Date): Promise<void> {
  await db.query(sql`
    update medic.job_runs set stale_at = ${staleAt} where service_id = ${serviceId} and stale_at < ${staleAt}`);
}

export async function insertState(db: Database, { serviceId, checkAt, awaitedAt }: Check): Promise<void> {
  await db.query(sql`
    insert into medic.service_state (service_id, check_at, awaited_at)
    values (${serviceId}, ${checkAt}, ${awaitedAt})`);
}

/** Active services without a next check are judged now. @returns their ids. */
export async function repairUnwatched(db: Database, now: Date): Promise<number[]> {
  const { rows } = await db.query<{ service_id: number }>(sql`
    with wrong as (
      select state.service_id from medic.service_state state
      join medic.services service using (service_id)
      where state.check_at is null and service.active
      for no key update of state skip locked)
    update medic.service_state state set check_at = ${now} from wrong
    where state.service_id = wrong.service_id returning state.service_id`);
  return rows.map((row) => row.service_id);
}

/** States that name an alert which is not the active one, or miss the active one. @returns their ids. */
export async function repairAlertLinks(db: Database, now: Date): Promise<number[]> {
  const { rows } = await db.query<{ service_id: number }>(sql`
    with wrong as (
      select state.service_id, null::bigint as alert_id from medic.service_state state
      where state.alert_id is not null
        and not exists (
          select from medic.alerts alert
          where alert.service_id = state.service_id and alert.kind = 'service' and alert.state <> 'closed')
      union all
      select alert.service_id, alert.alert_id from medic.alerts alert
      join medic.service_state state using (service_id)
      where alert.kind = 'service' and alert.state <> 'closed' and state.alert_id is distinct from alert.alert_id
    ), free as (
      select service_id from medic.service_state where service_id in (select service_id from wrong)
      for no key update skip locked
    )
    update medic.service_state state set alert_id = wrong.alert_id, check_at = ${now}
    from wrong join free using (service_id)
    where state.service_id = wrong.service_id returning state.service_id`);
  return rows.map((row) => row.service_id);
}

/** @param keys UUIDs in lower case. @returns those that exist. */
export async function existingPingKeys(db: Database, keys: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ ping_key: string }>({
    name: 'existing-ping-keys',
    text: 'select ping_key from medic.services where ping_key = any($1::uuid[])',
    values: [keys],
  });
  return rows.map((row) => row.ping_key);
}
