import { inBatches } from '../../platform/daily.ts';
import type { Database } from '../../platform/db.ts';
import * as store from './store.ts';

/**
 * Removes closed alerts past `MEDIC_HISTORY_RETENTION_DAYS`.
 * In: alerts closed before an instant. Out: they are gone, with their events and notifications.
 * Crash: each batch is one statement; the rest is removed by the next run.
 */
export function retainAlerts(db: Database, before: Date): Promise<number> {
  return inBatches((limit) => store.deleteClosedBefore(db, before, limit));
}
