import { type Static, Type } from 'typebox';
import { Instant, Nullable } from '../../platform/schema.ts';
import { Delivery } from '../notifications/resource.ts';
import { DecisionV2 } from '../routing/explanation.ts';
import { ALERT_KINDS, ALERT_REASONS, alertName } from './reason.ts';
import type { AlertRow } from './store-view.ts';

/** The alert as v2 shows it (spec 03 section 1). */
export const AlertV2 = Type.Object({
  alert_id: Type.Integer(),
  alert_name: Type.String(),
  service_id: Type.Integer(),
  heartbeat_name: Type.String(),
  service_name: Type.String(),
  priority: Type.String(),
  team: Type.String(),
  runbook: Nullable(Type.String()),
  kind: Type.String({ enum: [...ALERT_KINDS] }),
  reason: Type.String({ enum: Object.keys(ALERT_REASONS) }),
  run_id: Nullable(Type.String()),
  active: Type.Boolean(),
  alert_cycle: Type.Integer(),
  external_reference_id: Nullable(Type.String()),
  last_message: Nullable(Type.String()),
  acknowledged_at: Nullable(Instant),
  acknowledged_by: Nullable(Type.String()),
  created_date: Instant,
  closed_date: Nullable(Instant),
  duration: Nullable(Type.Number({ description: 'Seconds from open to close' })),
  close_reason: Nullable(Type.String()),
});

export function alertV2(row: AlertRow): Static<typeof AlertV2> {
  return {
    alert_id: row.alert_id,
    alert_name: alertName(row.reason, row.heartbeat_name),
    service_id: row.service_id,
    heartbeat_name: row.heartbeat_name,
    service_name: row.service_name,
    priority: row.priority,
    team: row.team,
    runbook: row.runbook,
    kind: row.kind,
    reason: row.reason,
    run_id: row.run_id,
    active: row.state !== 'closed',
    alert_cycle: row.cycle,
    external_reference_id: row.external_reference_id,
    last_message: row.report_message,
    acknowledged_at: row.acknowledged_at?.toISOString() ?? null,
    acknowledged_by: row.acknowledged_by,
    created_date: row.created_at.toISOString(),
    closed_date: row.closed_at?.toISOString() ?? null,
    duration: row.closed_at === null ? null : (row.closed_at.getTime() - row.created_at.getTime()) / 1000,
    close_reason: row.close_reason,
  };
}

/** The row as v1 shows it: `active` is 0 or 1. */
export const AlertV1 = Type.Object({
  alert_id: Type.Integer(),
  alert_name: Type.String(),
  service_id: Type.Integer(),
  active: Type.Integer(),
  external_reference_id: Nullable(Type.String()),
  alert_cycle: Type.Integer(),
  created_date: Instant,
  closed_date: Nullable(Instant),
  heartbeat_name: Type.String(),
  service_name: Type.String(),
  priority: Type.String(),
  team: Type.String(),
  runbook: Nullable(Type.String()),
  duration: Nullable(Type.Number()),
  kind: Type.String(),
  reason: Type.String(),
});

export function alertV1(row: AlertRow): Static<typeof AlertV1> {
  const { active, ...alert } = alertV2(row);
  return { ...alert, active: Number(active) };
}

/** A change of the alert, why it was announced to nobody, and who was told of it and why. */
export const HistoryEntry = Type.Object({
  event: Type.String(),
  occurred_at: Instant,
  alert_cycle: Type.Integer(),
  suppressed: Nullable(Type.String()),
  decisions: Type.Array(DecisionV2),
});

export const AlertDetail = Type.Object({
  ...AlertV2.properties,
  notifications: Type.Array(Delivery, {
    description: 'Oldest first: how it began, and the newest of those that `notifications_count` counts',
  }),
  notifications_count: Type.Integer(),
  history: Type.Array(HistoryEntry, {
    description: 'Oldest first: how it began, and the newest of those that `history_count` counts',
  }),
  history_count: Type.Integer(),
  executions: Type.Array(Type.Object({})),
});
