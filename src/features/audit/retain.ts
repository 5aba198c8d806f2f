import { inBatches } from '../../platform/daily.ts';
import type { DatabasePool } from '../../platform/db.ts';
import * as store from './store.ts';

/**
 * Removes entries past `MEDIC_AUDIT_RETENTION_DAYS`.
 * In: entries before an instant. Out: they are gone. Crash: each batch is one transaction; the rest is removed by the
 * next run.
 */
export function retainAuditEntries(db: DatabasePool, before: Date): Promise<number> {
  return inBatches((limit) => db.transaction((tx) => store.deleteBefore(tx, before, limit)));
}
