import type { Transaction } from '../../platform/db.ts';
import { announce } from './announce.ts';
import type { AlertContext } from './context.ts';
import { statesThatAccept } from './machine.ts';
import type { Failures, PassedPeriod } from './store.ts';
import * as store from './store.ts';

/**
 * Raises the cycle of active alerts and reminds (spec 03 section 4); what fell due together is one reminder.
 * In: active alerts, whose state rows the caller holds. Out: cycles, alert_events, reminders.
 * Crash: all of it is in the caller's transaction.
 */
export async function countFailures(
  tx: Transaction,
  context: AlertContext,
  failures: readonly Failures[],
): Promise<void> {
  if (failures.length === 0) return;
  const counted = new Set(await store.raiseCycles(tx, failures, statesThatAccept('fail_again')));
  await announce(
    tx,
    context,
    failures
      .filter(({ alertId }) => counted.has(alertId))
      .map(({ alertId, at, report }) => ({ alertId, event: 'reminder', at, byReport: report !== null })),
  );
}

/**
 * Leaves out periods that passed while a maintenance window covered the service (spec 03 section 6).
 * In: active alerts, whose state rows the caller holds. Out: where their next period begins.
 */
export function passOver(tx: Transaction, passed: readonly PassedPeriod[]): Promise<void> {
  return store.movePeriods(tx, passed, statesThatAccept('fail_again'));
}
