import type { Database, Transaction } from '../../platform/db.ts';
import * as store from './store.ts';

/** How alerts were told to people when they opened, by alert, oldest first. */
export async function openingsOf(
  tx: Transaction,
  alertIds: readonly number[],
): Promise<Map<number, store.HistoryRow[]>> {
  if (alertIds.length === 0) return new Map();
  return Map.groupBy(await store.openings(tx, alertIds), (row) => row.alert_id);
}

/** What was written about alerts so far, by alert, oldest first; what was written repeatedly is one row. */
export async function historyOf(
  tx: Transaction,
  alertIds: readonly number[],
): Promise<Map<number, store.HistoryRow[]>> {
  if (alertIds.length === 0) return new Map();
  return Map.groupBy(await store.history(tx, alertIds), (row) => row.alert_id);
}

/**
 * Cancels what closed alerts no longer need.
 * In: notifications that are not final. Out: some of them cancelled.
 * Crash: all of it is in the caller's transaction.
 */
export async function cancelObsolete(tx: Transaction, alertIds: readonly number[]): Promise<void> {
  if (alertIds.length > 0) await store.cancelObsolete(tx, alertIds);
}

/** Every delivery of an alert, oldest first. */
export function deliveriesOf(db: Database, alertId: number): Promise<store.DeliveryRow[]> {
  return store.deliveriesOf(db, alertId);
}
