import { inBatches } from '../../platform/daily.ts';
import type { Database } from '../../platform/db.ts';
import * as store from './store.ts';

/**
 * Removes delivery records past `MEDIC_DELIVERY_RETENTION_DAYS`; those of active alerts are kept.
 * In: final notifications of closed alerts. Out: they are gone, with their attempts.
 * Crash: each batch is one statement; the rest is removed by the next run.
 */
export function retainNotifications(db: Database, before: Date): Promise<number> {
  return inBatches((limit) => store.deleteFinishedBefore(db, before, limit));
}
