import { inBatches } from '../../platform/daily.ts';
import type { Database } from '../../platform/db.ts';
import * as store from './store.ts';
import { deleteFailingBefore } from './store-destinations.ts';

/**
 * Removes delivery records past `MEDIC_DELIVERY_RETENTION_DAYS`; those of active alerts are kept. What is known of
 * destinations is forgotten when nothing failed there for as long.
 * In: final notifications of closed alerts. Out: they are gone, with their attempts.
 * Crash: each batch is one statement; the rest is removed by the next run.
 */
export async function retainNotifications(db: Database, before: Date): Promise<number> {
  await inBatches((limit) => deleteFailingBefore(db, before, limit));
  return inBatches((limit) => store.deleteFinishedBefore(db, before, limit));
}
