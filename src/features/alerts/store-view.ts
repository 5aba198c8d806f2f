import { empty, join, raw, type Sql } from 'sql-template-tag';
import { type Database, sql } from '../../platform/db.ts';
import type { StoredDecision } from '../routing/decision.ts';
import type { AlertEvent, AlertState, CloseReason, Suppression } from './machine.ts';
import type { AlertKind, AlertReason } from './reason.ts';

/** An alert with its service as it is now; the alert's own copy of the names serves a deleted service. */
export interface AlertRow {
  alert_id: number;
  service_id: number;
  kind: AlertKind;
  reason: AlertReason;
  run_id: string | null;
  state: AlertState;
  cycle: number;
  created_at: Date;
  closed_at: Date | null;
  close_reason: CloseReason | null;
  announced_at: Date | null;
  last_message_at: Date | null;
  report_message: string | null;
  report_run_id: string | null;
  acknowledged_at: Date | null;
  acknowledged_by: string | null;
  acknowledge_comment: string | null;
  heartbeat_name: string;
  service_name: string;
  priority: string;
  team: string;
  runbook: string | null;
  last_heartbeat_at: Date | null;
  muted: boolean;
  outage_seconds: number | null;
  max_duration_ms: number | null;
  /** Of the run that a run alert is about. */
  run_started_at: Date | null;
  run_duration_ms: number | null;
  /** PagerDuty's key of the incident, once a trigger was accepted. */
  external_reference_id: string | null;
}

const ROWS = sql`
  select alert.alert_id, alert.service_id, alert.kind, alert.reason, alert.run_id, alert.state, alert.cycle,
    alert.created_at, alert.closed_at, alert.close_reason, alert.announced_at, alert.last_message_at,
    alert.report_message, alert.report_run_id, alert.acknowledged_at, alert.acknowledged_by,
    alert.acknowledge_comment,
    case when service.service_id is null then alert.heartbeat_name else service.heartbeat_name end as heartbeat_name,
    case when service.service_id is null then alert.service_name else service.service_name end as service_name,
    case when service.service_id is null then alert.priority else service.priority end as priority,
    case when service.service_id is null then alert.team else service.team end as team,
    case when service.service_id is null then alert.runbook else service.runbook end as runbook,
    state.last_heartbeat_at, mute.service_id is not null as muted, alert.outage_seconds,
    service.max_duration_ms, run.started_at as run_started_at, run.duration_ms as run_duration_ms,
    (select incident.reference from medic.notifications incident
     where incident.alert_id = alert.alert_id and incident.channel = 'pagerduty' and incident.event = 'opened'
       and incident.status = 'success'
     order by incident.sequence desc limit 1) as external_reference_id
  from medic.alerts alert
  left join medic.services service using (service_id)
  left join medic.service_state state using (service_id)
  left join medic.mutes mute using (service_id)
  left join medic.job_runs run
    on alert.kind <> 'service' and run.service_id = alert.service_id and run.run_id = alert.run_id`;

export async function rowsById(db: Database, alertIds: readonly number[]): Promise<Map<number, AlertRow>> {
  const { rows } = await db.query<AlertRow>(sql`${ROWS} where alert.alert_id = any(${alertIds})`);
  return new Map(rows.map((row) => [row.alert_id, row]));
}

export interface Filter {
  active?: boolean | undefined;
  serviceId?: number | undefined;
  kind?: string | undefined;
  reason?: string | undefined;
  priority?: string | undefined;
  team?: string | undefined;
  acknowledged?: boolean | undefined;
  /** Opened at or after, and before. */
  from?: Date | undefined;
  to?: Date | undefined;
}

/**
 * Newest first; `limit` null: all. Which alerts are on the page is found first, so that what belongs to an alert is
 * looked up for those only, however many are skipped.
 */
export async function list(
  db: Database,
  filter: Filter,
  page: { limit: number | null; offset: number },
): Promise<AlertRow[]> {
  const { rows } = await db.query<AlertRow>(sql`
    with page as (
      select alert_id from medic.alerts alert ${where(filter)}
      order by alert_id desc limit ${page.limit} offset ${page.offset}
    )
    ${ROWS} join page on page.alert_id = alert.alert_id order by alert.alert_id desc`);
  return rows;
}

export async function count(db: Database, filter: Filter): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.alerts alert ${where(filter)}`);
  return rows[0]?.count ?? 0;
}

function where(filter: Filter): Sql {
  const { active, serviceId, kind, reason, priority, team, acknowledged, from, to } = filter;
  const conditions = [
    active === undefined ? empty : active ? sql`alert.state <> 'closed'` : sql`alert.state = 'closed'`,
    serviceId === undefined ? empty : sql`alert.service_id = ${serviceId}`,
    kind === undefined ? empty : sql`alert.kind = ${kind}`,
    reason === undefined ? empty : sql`alert.reason = ${reason}`,
    priority === undefined ? empty : ofServices('priority', priority),
    team === undefined ? empty : ofServices('team', team),
    acknowledged === undefined ? empty : sql`(alert.acknowledged_at is not null) = ${acknowledged}`,
    from === undefined ? empty : sql`alert.created_at >= ${from}`,
    to === undefined ? empty : sql`alert.created_at <= ${to}`,
  ].filter((condition) => condition !== empty);
  return conditions.length === 0 ? empty : sql`where ${join(conditions, ' and ')}`;
}

/**
 * As the service is now, or was when it was deleted. A join would look up the service of every alert that is skipped,
 * one after the other when few match; these lists are made once.
 */
function ofServices(member: 'priority' | 'team', value: string): Sql {
  const column = raw(member);
  return sql`(
    alert.service_id in (select service_id from medic.services where ${column} = ${value})
    or (alert.${column} = ${value} and alert.service_id not in (select service_id from medic.services)))`;
}

export interface EventRow {
  event: AlertEvent;
  occurred_at: Date;
  cycle: number;
  suppressed: Suppression | null;
  decisions: StoredDecision[];
}

/** The changes of an alert, oldest first: of very many the first and the newest. */
export async function eventsOf(
  db: Database,
  alertId: number,
  { first, newest }: { first: number; newest: number },
): Promise<EventRow[]> {
  const its = sql`select alert_event_id from medic.alert_events where alert_id = ${alertId}`;
  const { rows } = await db.query<EventRow>(sql`
    select event, occurred_at, cycle, suppressed, decisions from medic.alert_events
    where alert_event_id in (
      (${its} order by alert_event_id limit ${first})
      union all (${its} order by alert_event_id desc limit ${newest}))
    order by alert_event_id`);
  return rows;
}

export async function countEvents(db: Database, alertId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.alert_events where alert_id = ${alertId}`);
  return rows[0]?.count ?? 0;
}

export async function countActive(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.alerts where state <> 'closed'`);
  return rows[0]?.count ?? 0;
}
