import { type Database, sql } from '../../platform/db.ts';
import type { AlertFacts } from '../notifications/facts.ts';
import { type Decision, storedDecision } from '../routing/decision.ts';
import type { AlertEvent, AlertState, CloseReason, Suppression } from './machine.ts';
import type { AlertKind, AlertReason } from './reason.ts';

export interface Opening {
  serviceId: number;
  kind: AlertKind;
  reason: AlertReason;
  /** The run that the alert is about, or that reported the failure. */
  runId: string | null;
  at: Date;
  /** The deadline that passed; null for reported failures. */
  dueAt: Date | null;
  /** How long Medic itself was away in the period that the alert is about. */
  outageSeconds: number;
  report: { message: string | null; runId: string | null } | null;
}

export interface Failures {
  alertId: number;
  /** How many more failures: missed periods, or failure reports. */
  by: number;
  at: Date;
  /** Where the next period begins. */
  periodFrom: Date;
  /** The newest failure report; null: periods passed in silence. */
  report: { message: string | null; runId: string | null } | null;
}

/** A period of an alert that does not count. */
export interface PassedPeriod {
  alertId: number;
  /** Where the next period begins. */
  periodFrom: Date;
}

export interface Closing {
  alertId: number;
  reason: CloseReason;
  at: Date;
}

export interface Acknowledgement {
  alertId: number;
  /** Who acknowledges; the authenticated identity. */
  actor: string;
  comment: string | null;
  at: Date;
}

export interface Mute {
  serviceId: number;
  at: Date;
  until: Date;
  reason: string | null;
}

interface OpenedRow {
  alert_id: number;
  kind: AlertKind;
  service_id: number;
  reason: AlertReason;
  priority: string;
  team: string;
  created_at: Date;
}

/** Inserts alerts; where one of the kind is active already, none is added. */
export async function insertAlerts(db: Database, openings: readonly Opening[]): Promise<OpenedRow[]> {
  const { rows } = await db.query<OpenedRow>(sql`
    insert into medic.alerts (service_id, kind, reason, run_id, created_at, period_from, report_message,
      report_run_id, outage_seconds, heartbeat_name, service_name, priority, team, runbook)
    select service_id, opening.kind, opening.reason, opening.run_id, opening.at, opening.at, opening.message,
      opening.report_run_id, opening.outage_seconds, heartbeat_name, service_name, priority, team, runbook
    from unnest(
      ${openings.map((opening) => opening.serviceId)}::int[],
      ${openings.map((opening) => opening.kind)}::text[],
      ${openings.map((opening) => opening.reason)}::text[],
      ${openings.map((opening) => opening.runId)}::text[],
      ${openings.map((opening) => opening.at)}::timestamptz[],
      ${openings.map((opening) => opening.report?.message ?? null)}::text[],
      ${openings.map((opening) => opening.report?.runId ?? null)}::text[],
      ${openings.map((opening) => (opening.outageSeconds > 0 ? opening.outageSeconds : null))}::int[]
    ) as opening (service_id, kind, reason, run_id, at, message, report_run_id, outage_seconds)
    join medic.services using (service_id)
    on conflict do nothing
    returning alert_id, kind, service_id, reason, priority, team, created_at`);
  return rows;
}

export interface ActiveAlert {
  alert_id: number;
  service_id: number;
  kind: AlertKind;
  /** Somebody has heard of it. */
  announced: boolean;
}

/** The active alerts of services, of every kind. */
export async function activeAlerts(db: Database, serviceIds: readonly number[]): Promise<ActiveAlert[]> {
  if (serviceIds.length === 0) return [];
  const { rows } = await db.query<ActiveAlert>(sql`
    select alert_id, service_id, kind, announced_at is not null as announced from medic.alerts
    where service_id = any(${serviceIds}) and state <> 'closed'`);
  return rows;
}

export interface RunAlert {
  alert_id: number;
  service_id: number;
  kind: 'stale_job' | 'duration_exceeded';
  run_id: string;
  started_at: Date | null;
}

/** The active run alerts of services, with the start of their runs. */
export async function activeRunAlerts(db: Database, serviceIds: readonly number[]): Promise<RunAlert[]> {
  const { rows } = await db.query<RunAlert>(sql`
    select alert.alert_id, alert.service_id, alert.kind, alert.run_id, run.started_at
    from medic.alerts alert
    left join medic.job_runs run using (service_id, run_id)
    where alert.service_id = any(${serviceIds}) and alert.kind <> 'service' and alert.state <> 'closed'`);
  return rows;
}

/** Adds failures to alerts in one of `states`. @returns the alerts that were changed. */
export async function raiseCycles(
  db: Database,
  failures: readonly Failures[],
  states: readonly AlertState[],
): Promise<number[]> {
  const { rows } = await db.query<{ alert_id: number }>(sql`
    update medic.alerts alert set
      cycle = alert.cycle + more.by,
      period_from = greatest(alert.period_from, more.period_from),
      report_message = case when more.reported then more.message else alert.report_message end,
      report_run_id = case when more.reported then more.run_id else alert.report_run_id end
    from unnest(
      ${failures.map((failure) => failure.alertId)}::bigint[],
      ${failures.map((failure) => failure.by)}::int[],
      ${failures.map((failure) => failure.periodFrom)}::timestamptz[],
      ${failures.map((failure) => failure.report !== null)}::boolean[],
      ${failures.map((failure) => failure.report?.message ?? null)}::text[],
      ${failures.map((failure) => failure.report?.runId ?? null)}::text[]
    ) as more (alert_id, by, period_from, reported, message, run_id)
    where alert.alert_id = more.alert_id and alert.state = any(${states})
    returning alert.alert_id`);
  return rows.map((row) => row.alert_id);
}

export async function movePeriods(
  db: Database,
  passed: readonly PassedPeriod[],
  states: readonly AlertState[],
): Promise<void> {
  if (passed.length === 0) return;
  await db.query(sql`
    update medic.alerts alert set period_from = greatest(alert.period_from, passed.period_from)
    from unnest(
      ${passed.map(({ alertId }) => alertId)}::bigint[], ${passed.map(({ periodFrom }) => periodFrom)}::timestamptz[]
    ) as passed (alert_id, period_from)
    where alert.alert_id = passed.alert_id and alert.state = any(${states})`);
}

interface ClosedRow {
  alert_id: number;
  kind: AlertKind;
  service_id: number;
  closed_at: Date;
  close_reason: CloseReason;
}

export async function closeAlerts(
  db: Database,
  closings: readonly Closing[],
  states: readonly AlertState[],
): Promise<ClosedRow[]> {
  if (closings.length === 0) return [];
  const { rows } = await db.query<ClosedRow>(sql`
    update medic.alerts alert set
      state = 'closed', closed_at = greatest(closing.at, alert.created_at), close_reason = closing.reason
    from unnest(
      ${closings.map((closing) => closing.alertId)}::bigint[],
      ${closings.map((closing) => closing.reason)}::text[],
      ${closings.map((closing) => closing.at)}::timestamptz[]
    ) as closing (alert_id, reason, at)
    where alert.alert_id = closing.alert_id and alert.state = any(${states})
    returning alert.alert_id, alert.kind, alert.service_id, alert.closed_at, alert.close_reason`);
  return rows;
}

export async function lockAlert(
  db: Database,
  alertId: number,
): Promise<{ state: AlertState; kind: AlertKind } | undefined> {
  const { rows } = await db.query<{ state: AlertState; kind: AlertKind }>(sql`
    select state, kind from medic.alerts where alert_id = ${alertId} for no key update`);
  return rows[0];
}

export async function acknowledge(db: Database, entry: Acknowledgement): Promise<void> {
  await db.query(sql`
    update medic.alerts set state = 'acknowledged', acknowledged_at = ${entry.at},
      acknowledged_by = ${entry.actor}, acknowledge_comment = ${entry.comment}
    where alert_id = ${entry.alertId}`);
}

export interface EventEntry {
  alertId: number;
  event: AlertEvent;
  at: Date;
  cycle: number;
  suppressed: Suppression | null;
  facts: AlertFacts;
  /** Every destination that was considered. */
  decisions: readonly Decision[];
}

/** @returns the ids in the order of the entries. */
export async function insertEvents(db: Database, entries: readonly EventEntry[]): Promise<number[]> {
  const { rows } = await db.query<{ alert_event_id: number }>(sql`
    insert into medic.alert_events (alert_id, event, occurred_at, cycle, suppressed, facts, decisions)
    select alert_id, event, at, cycle, suppressed, facts, decisions
    from unnest(
      ${entries.map((entry) => entry.alertId)}::bigint[],
      ${entries.map((entry) => entry.event)}::text[],
      ${entries.map((entry) => entry.at)}::timestamptz[],
      ${entries.map((entry) => entry.cycle)}::int[],
      ${entries.map((entry) => entry.suppressed)}::text[],
      ${entries.map((entry) => JSON.stringify(entry.facts))}::jsonb[],
      ${entries.map((entry) => JSON.stringify(entry.decisions.map(storedDecision)))}::jsonb[]
    ) with ordinality as entry (alert_id, event, at, cycle, suppressed, facts, decisions, n)
    order by n
    returning alert_event_id`);
  return rows.map((row) => row.alert_event_id);
}

/** Notes when openings and reminders were announced. */
export async function markAnnounced(
  db: Database,
  announced: readonly { alertId: number; at: Date }[],
): Promise<void> {
  if (announced.length === 0) return;
  await db.query(sql`
    update medic.alerts alert set
      announced_at = coalesce(alert.announced_at, message.at), last_message_at = message.at
    from unnest(
      ${announced.map((entry) => entry.alertId)}::bigint[], ${announced.map((entry) => entry.at)}::timestamptz[]
    ) as message (alert_id, at)
    where alert.alert_id = message.alert_id`);
}

export async function saveMute(db: Database, mute: Mute): Promise<void> {
  await db.query(sql`
    insert into medic.mutes (service_id, muted_at, mute_until, reason)
    values (${mute.serviceId}, ${mute.at}, ${mute.until}, ${mute.reason})
    on conflict (service_id) do update set
      muted_at = excluded.muted_at, mute_until = excluded.mute_until, reason = excluded.reason`);
}

/** @returns the services that were muted. */
export async function deleteMutes(db: Database, serviceIds: readonly number[]): Promise<number[]> {
  if (serviceIds.length === 0) return [];
  const { rows } = await db.query<{ service_id: number }>(sql`
    delete from medic.mutes where service_id = any(${serviceIds}) returning service_id`);
  return rows.map((row) => row.service_id);
}

export async function expiredMutes(db: Database, now: Date): Promise<number[]> {
  const { rows } = await db.query<{ service_id: number }>(sql`
    select service_id from medic.mutes where mute_until <= ${now} order by mute_until limit 500`);
  return rows.map((row) => row.service_id);
}

export async function isMuteOver(db: Database, serviceId: number, now: Date): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    select from medic.mutes where service_id = ${serviceId} and mute_until <= ${now}`);
  return rowCount === 1;
}

export async function nextMuteEnd(db: Database): Promise<Date | null> {
  const { rows } = await db.query<{ at: Date | null }>(sql`select min(mute_until) as at from medic.mutes`);
  return rows[0]?.at ?? null;
}

/** Keeps the last names of a service on its alerts before it is deleted. */
export async function keepNames(db: Database, serviceId: number): Promise<void> {
  await db.query(sql`
    update medic.alerts alert set
      heartbeat_name = service.heartbeat_name, service_name = service.service_name,
      priority = service.priority, team = service.team, runbook = service.runbook
    from medic.services service
    where service.service_id = ${serviceId} and alert.service_id = service.service_id`);
}

/** Removes closed alerts, with their events and notifications, in batches. @returns how many. */
export async function deleteClosedBefore(db: Database, before: Date, limit: number): Promise<number> {
  const { rowCount } = await db.query(sql`
    delete from medic.alerts where alert_id in (
      select alert_id from medic.alerts where state = 'closed' and closed_at < ${before} limit ${limit})`);
  return rowCount ?? 0;
}
