import type { Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { closeAlerts } from './close.ts';
import type { AlertContext } from './context.ts';
import type { CloseReason } from './machine.ts';
import type { RunAlert } from './store.ts';
import * as store from './store.ts';

/** A run that has just finished. */
export interface FinishedRun {
  serviceId: number;
  runId: string;
  startedAt: Date;
  succeeded: boolean;
  /** Its duration is known and not above the limit. */
  withinLimit: boolean;
  at: Date;
}

/**
 * Closes the run alerts that finished runs put an end to (spec 02 section 4, spec 03 section 5). The caller holds the
 * state rows.
 * In: finished runs. Out: closed alerts. Crash: all of it is in the caller's transaction.
 */
export async function closeRunAlerts(
  tx: Transaction,
  context: AlertContext,
  finished: readonly FinishedRun[],
): Promise<void> {
  const active = await store.activeRunAlerts(tx, [...new Set(finished.map(({ serviceId }) => serviceId))]);
  const closings = active.flatMap((alert) => {
    for (const run of finished) {
      const reason = endedBy(alert, run);
      if (reason !== null) return [{ alertId: alert.alert_id, reason, at: run.at }];
    }
    return [];
  });
  await closeAlerts(tx, context, closings);
}

/**
 * Closes an alert of a run by hand. Throws `not_found` for an unknown alert, and `conflict` for a closed one and for
 * one of a service, which closes by recovery.
 */
export async function resolveAlert(
  tx: Transaction,
  context: AlertContext,
  alertId: number,
  at: Date,
): Promise<void> {
  const alert = await store.lockAlert(tx, alertId);
  if (alert === undefined) throw new MedicError('not_found', `Alert ${alertId} not found`);
  if (alert.kind === 'service') throw new MedicError('conflict', 'An alert of a service closes by recovery');
  if (alert.state === 'closed') throw new MedicError('conflict', `Alert ${alertId} is closed`);
  await closeAlerts(tx, context, [{ alertId, reason: 'resolved', at }]);
}

/** Closes the stale alerts of a service whose runs have no limit any more. */
export async function closeStaleAlerts(
  tx: Transaction,
  context: AlertContext,
  serviceId: number,
  at: Date,
): Promise<void> {
  const stale = (await store.activeRunAlerts(tx, [serviceId])).filter(({ kind }) => kind === 'stale_job');
  await closeAlerts(
    tx,
    context,
    stale.map((alert) => ({ alertId: alert.alert_id, reason: 'superseded', at })),
  );
}

/** Why a finished run ends an alert, or null. */
function endedBy(alert: RunAlert, run: FinishedRun): CloseReason | null {
  if (alert.service_id !== run.serviceId) return null;
  const isOwn = alert.run_id === run.runId;
  if (alert.kind === 'stale_job') {
    if (isOwn) return 'run_finished';
    const startedBefore = alert.started_at !== null && alert.started_at < run.startedAt;
    return run.succeeded && startedBefore ? 'superseded' : null;
  }
  return !isOwn && run.withinLimit ? 'superseded' : null;
}
