import type { Transaction } from '../../platform/db.ts';
import type { AlertFacts } from '../notifications/facts.ts';
import type { Verdict } from '../routing/decide.ts';
import { decideAll, dispatch } from '../routing/dispatch.ts';
import type { AlertContext } from './context.ts';
import { type AlertEvent, suppression } from './machine.ts';
import { alertName } from './reason.ts';
import * as store from './store.ts';
import { type AlertRow, rowsById } from './store-view.ts';

/** A change of an alert that was just written. */
export interface Change {
  alertId: number;
  event: AlertEvent;
  at: Date;
  /** The change was caused by a failure report. */
  byReport?: boolean;
}

/**
 * Writes down changes of alerts with who is told of them, and hands those that are not suppressed to routing.
 * In: alert rows as the caller changed them. Out: alert_events with the facts of the instant and the decisions,
 * notifications.
 * Crash: all of it is in the caller's transaction.
 */
export async function announce(
  tx: Transaction,
  context: AlertContext,
  changes: readonly Change[],
): Promise<void> {
  if (changes.length === 0) return;
  const rows = await rowsById(
    tx,
    changes.map((change) => change.alertId),
  );
  const entries = changes.flatMap((change) => {
    const row = rows.get(change.alertId);
    return row === undefined ? [] : [entryOf(change, row, context)];
  });
  const verdicts = await decideAll(tx, context, entries);
  const decided = entries.map((entry, index) => ({ ...entry, ...(verdicts[index] as Verdict) }));
  const ids = await store.insertEvents(tx, decided);
  const announced = decided.flatMap((entry, index) =>
    entry.suppressed === null ? [{ ...entry, alertEventId: ids[index] as number }] : [],
  );
  await store.markAnnounced(
    tx,
    announced.filter(({ event }) => event === 'opened' || event === 'reminder'),
  );
  await dispatch(tx, context, announced);
}

function entryOf(change: Change, row: AlertRow, context: AlertContext) {
  const suppressed = suppression(change.event, {
    muted: row.muted,
    acknowledged: row.state === 'acknowledged',
    byReport: change.byReport === true,
    sinceLastMessageMs:
      row.last_message_at === null ? null : change.at.getTime() - row.last_message_at.getTime(),
    reminderMinMs: context.reminderMinSeconds * 1000,
  });
  // The first that anyone hears of an alert is its opening, even when the cycle has grown meanwhile.
  const event = change.event === 'reminder' && row.announced_at === null ? 'opened' : change.event;
  return {
    alertId: change.alertId,
    event,
    at: change.at,
    cycle: row.cycle,
    suppressed,
    muted: row.muted,
    facts: factsOf(row, event, change.at, context.baseUrl),
  };
}

/** The facts of an alert at the instant of an event, which every message about it is made of. */
function factsOf(row: AlertRow, event: AlertEvent, at: Date, baseUrl: string): AlertFacts {
  return {
    event,
    occurred_at: at.toISOString(),
    alert: {
      alert_id: row.alert_id,
      alert_name: alertName(row.reason, row.heartbeat_name),
      kind: row.kind,
      reason: row.reason,
      run_id: row.run_id,
      active: row.state !== 'closed',
      alert_cycle: row.cycle,
      created_date: row.created_at.toISOString(),
      closed_date: row.closed_at?.toISOString() ?? null,
      close_reason: row.close_reason,
      url: `${baseUrl}/ui/alerts/${row.alert_id}`,
    },
    service: {
      service_id: row.service_id,
      heartbeat_name: row.heartbeat_name,
      service_name: row.service_name,
      team: row.team,
      priority: row.priority,
      runbook: row.runbook,
      last_heartbeat: row.last_heartbeat_at?.toISOString() ?? null,
    },
    run: runOf(row, at),
    outage_seconds: row.outage_seconds,
    report: { message: row.report_message, run_id: row.report_run_id },
    acknowledgement:
      row.acknowledged_by === null ? null : { by: row.acknowledged_by, comment: row.acknowledge_comment },
  };
}

/** The run that a run alert is about, with the time it has taken so far. */
function runOf(row: AlertRow, at: Date): AlertFacts['run'] {
  if (row.run_id === null || row.run_started_at === null) return null;
  return {
    run_id: row.run_id,
    duration_ms: row.run_duration_ms ?? at.getTime() - row.run_started_at.getTime(),
    limit_ms: row.max_duration_ms,
  };
}
