import type { Database, Transaction } from '../../platform/db.ts';
import * as store from './store.ts';
import * as chains from './store-chains.ts';
import * as deliveries from './store-deliveries.ts';
import * as rows from './store-history.ts';

/** How alerts were told to people when they opened, by alert, oldest first. */
export async function openingsOf(
  db: Database,
  alertIds: readonly number[],
): Promise<Map<number, rows.HistoryRow[]>> {
  if (alertIds.length === 0) return new Map();
  return Map.groupBy(await rows.openings(db, alertIds), (row) => row.alert_id);
}

/** What was written about alerts so far, by alert, oldest first; what was written repeatedly is one row. */
export async function historyOf(
  db: Database,
  alertIds: readonly number[],
): Promise<Map<number, rows.HistoryRow[]>> {
  if (alertIds.length === 0) return new Map();
  return Map.groupBy(await rows.history(db, alertIds), (row) => row.alert_id);
}

/**
 * Of alerts whose messages need one target only: the one that took the last message, and whether a message still looks
 * for one that takes it.
 */
export async function chainsOf(
  db: Database,
  alertIds: readonly number[],
): Promise<Map<number, chains.ChainState>> {
  if (alertIds.length === 0) return new Map();
  return new Map((await chains.statesOf(db, alertIds)).map((row) => [row.alert_id, row]));
}

/**
 * Cancels what closed alerts no longer need.
 * In: notifications that are not final. Out: some of them cancelled.
 * Crash: all of it is in the caller's transaction.
 */
export async function cancelObsolete(tx: Transaction, alertIds: readonly number[]): Promise<void> {
  if (alertIds.length > 0) await store.cancelObsolete(tx, alertIds);
}

/** Deliveries of an alert, oldest first, and how many there are: of very many the first and the newest are enough. */
export async function deliveriesOf(
  db: Database,
  alertId: number,
  some: { first: number; newest: number },
): Promise<{ count: number; rows: deliveries.DeliveryRow[] }> {
  const [count, shown] = await Promise.all([
    deliveries.countOfAlert(db, alertId),
    deliveries.ofAlert(db, alertId, some),
  ]);
  return { count, rows: shown };
}
