import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import * as store from './store.ts';

/**
 * Repairs what the exact timers should have kept right: active services that nobody judges, and states whose
 * alert is not the active one. Finds nothing in normal operation.
 * In: service_state against services and alerts. Out: `check_at` now, for the detector to judge.
 * Crash: each repair is one statement.
 * @returns how many rows were repaired.
 */
export async function sweep(context: { db: DatabasePool; clock: Clock; log: Logger }): Promise<number> {
  const now = context.clock.now();
  const unwatched = await store.repairUnwatched(context.db, now);
  const mislinked = await store.repairAlertLinks(context.db, now);
  if (unwatched.length + mislinked.length > 0) {
    named(context.log, 'sweep').warn(
      { unwatched: unwatched.slice(0, 100), mislinked: mislinked.slice(0, 100) },
      'the sweep repaired services',
    );
  }
  return unwatched.length + mislinked.length;
}
