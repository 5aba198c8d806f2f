import { inBatches } from '../../platform/daily.ts';
import type { Database } from '../../platform/db.ts';
import * as store from './store.ts';

/** Removes closed alerts past `MEDIC_HISTORY_RETENTION_DAYS`, with what hangs on them. */
export function retainAlerts(db: Database, before: Date): Promise<number> {
  return inBatches((limit) => store.deleteClosedBefore(db, before, limit));
}
