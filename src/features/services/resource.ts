import { type Static, Type } from 'typebox';
import { CronError } from '../../platform/cron.ts';
import { Instant, Nullable } from '../../platform/schema.ts';
import { deadline, type Expectation } from '../heartbeats/expectation.ts';
import type { Outage } from '../heartbeats/outage.ts';
import { expectationOf } from '../heartbeats/watch.ts';
import type { Covering } from '../routing/maintenance.ts';
import { FIELDS, Flag } from './fields.ts';
import type { ServiceRow } from './store.ts';

export const SERVICE_STATES = ['inactive', 'down', 'late', 'new', 'degraded', 'up'] as const;

/** The service as v2 shows it (spec 01 section 1). */
export const ServiceV2 = Type.Object({
  service_id: Type.Integer(),
  ...FIELDS,
  active: Type.Boolean(),
  alert_interval: Nullable(FIELDS.alert_interval),
  alert_interval_seconds: Nullable(FIELDS.alert_interval_seconds),
  muted: Type.Boolean(),
  date_muted: Nullable(Instant),
  mute_until: Nullable(Instant),
  mute_reason: Nullable(Type.String()),
  down: Type.Boolean(),
  ping_key: Nullable(Type.String()),
  ping_url: Nullable(Type.String()),
  mode: Type.String({ enum: ['interval', 'cron'] }),
  state: Type.String({ enum: [...SERVICE_STATES] }),
  last_heartbeat: Nullable(Instant),
  last_status: Nullable(Type.String()),
  expected_at: Nullable(Instant),
  overdue_at: Nullable(Instant),
  active_alert_id: Nullable(Type.Integer()),
  maintenance: Type.Object({
    in_maintenance: Type.Boolean(),
    window_name: Nullable(Type.String()),
    window_id: Nullable(Type.Integer()),
    maintenance_end: Nullable(Instant),
  }),
  monitoring_since: Instant,
  date_added: Instant,
  date_modified: Instant,
});

export function serviceV2(
  row: ServiceRow,
  {
    baseUrl,
    outages,
    covering,
  }: { baseUrl: string; outages: readonly Outage[]; covering: Covering | undefined },
): Static<typeof ServiceV2> {
  const rule = row.active && row.alert_id === null ? ruleOf(row) : null;
  const due = rule === null ? null : deadline(rule, row.signs, outages);
  return {
    service_id: row.service_id,
    heartbeat_name: row.heartbeat_name,
    service_name: row.service_name,
    active: row.active,
    alert_interval: row.alert_interval_seconds === null ? null : minutes(row.alert_interval_seconds),
    alert_interval_seconds: row.alert_interval_seconds,
    threshold: row.threshold,
    grace_period_seconds: row.grace_period_seconds,
    expected_cron: row.expected_cron,
    expected_timezone: row.expected_timezone,
    max_duration_ms: row.max_duration_ms,
    team: row.team,
    team_id: row.team_id,
    schedule_id: row.schedule_id,
    priority: row.priority as Static<typeof ServiceV2>['priority'],
    runbook: row.runbook,
    notification_mode: row.notification_mode as Static<typeof ServiceV2>['notification_mode'],
    muted: row.mute_until !== null,
    date_muted: iso(row.muted_at),
    mute_until: iso(row.mute_until),
    mute_reason: row.mute_reason,
    down: row.alert_id !== null,
    ping_key: row.ping_key,
    ping_url: `${baseUrl}/ping/${row.ping_key}`,
    mode: row.expected_cron === null ? 'interval' : 'cron',
    state: row.state,
    last_heartbeat: iso(row.last_heartbeat_at),
    last_status: row.last_status,
    expected_at: iso(due?.expectedAt ?? null),
    overdue_at: iso(due?.overdueAt ?? null),
    active_alert_id: row.alert_id,
    maintenance: {
      in_maintenance: covering !== undefined,
      window_name: covering?.windowName ?? null,
      window_id: covering?.windowId ?? null,
      maintenance_end: iso(covering?.end ?? null),
    },
    monitoring_since: row.monitoring_since.toISOString(),
    date_added: row.date_added.toISOString(),
    date_modified: row.date_modified.toISOString(),
  };
}

/** The row as v1 shows it (spec 01 section 2): flags are 0 and 1, the interval is in whole minutes. */
export const ServiceV1 = Type.Object({
  service_id: Type.Integer(),
  heartbeat_name: Type.String(),
  service_name: Type.String(),
  active: Flag,
  alert_interval: Type.Integer(),
  threshold: Type.Integer(),
  team: Type.String(),
  priority: Type.String(),
  muted: Flag,
  down: Flag,
  runbook: Nullable(Type.String()),
  date_added: Instant,
  date_modified: Instant,
  date_muted: Nullable(Instant),
  team_id: Nullable(Type.Integer()),
  schedule_id: Nullable(Type.Integer()),
  max_duration_ms: Nullable(Type.Integer()),
  grace_period_seconds: Type.Integer(),
  last_heartbeat: Nullable(Instant),
});

export function serviceV1(row: ServiceRow, now: Date): Static<typeof ServiceV1> {
  return {
    service_id: row.service_id,
    heartbeat_name: row.heartbeat_name,
    service_name: row.service_name,
    active: Number(row.active),
    alert_interval: minutes(row.alert_interval_seconds ?? secondsBetweenOccurrences(ruleOf(row), now)),
    threshold: row.threshold,
    team: row.team,
    priority: row.priority,
    muted: Number(row.mute_until !== null),
    down: Number(row.alert_id !== null),
    runbook: row.runbook,
    date_added: row.date_added.toISOString(),
    date_modified: row.date_modified.toISOString(),
    date_muted: iso(row.muted_at),
    team_id: row.team_id,
    schedule_id: row.schedule_id,
    max_duration_ms: row.max_duration_ms,
    grace_period_seconds: row.grace_period_seconds,
    last_heartbeat: iso(row.last_heartbeat_at),
  };
}

/** Whole minutes, rounded up. */
function minutes(seconds: number): number {
  return Math.ceil(seconds / 60);
}

/** In cron mode v1 shows the distance of the next two occurrences as the interval. */
function secondsBetweenOccurrences(expectation: Expectation | null, now: Date): number {
  const [first, second] = upcoming(expectation, now, 2);
  return first === undefined || second === undefined ? 0 : (second.getTime() - first.getTime()) / 1000;
}

/**
 * The rule of a service, or null for a stored expression that cannot be evaluated any more: the detector tells of it,
 * and it must not hide the other services of a list (G7).
 */
export function ruleOf(row: Parameters<typeof expectationOf>[0]): Expectation | null {
  try {
    return expectationOf(row);
  } catch (error) {
    if (error instanceof CronError) return null;
    throw error;
  }
}

/** The next expected times of a service, as far as there are any. */
export function upcoming(expectation: Expectation | null, after: Date, count: number): Date[] {
  const times: Date[] = [];
  if (expectation === null) return times;
  for (let at: Date | null = after; times.length < count; ) {
    at =
      expectation.mode === 'cron'
        ? expectation.next(at)
        : new Date(at.getTime() + expectation.intervalSeconds * 1000);
    if (at === null) break;
    times.push(at);
  }
  return times;
}

function iso(instant: Date | null): string | null {
  return instant?.toISOString() ?? null;
}
