import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import { judgeHeld } from './held.ts';
import * as store from './store.ts';
import { missingHolders } from './store-held.ts';

/**
 * Repairs what the exact timers should have kept right: active services that nobody judges, states whose alert is not
 * the active one, and what a window holds back that does not exist. Finds nothing in normal operation.
 * In: service_state against services, alerts and windows. Out: `check_at` now, for the detector to judge.
 * Crash: each repair is one transaction.
 * @returns how many rows were repaired.
 */
export async function sweep(context: { db: DatabasePool; clock: Clock; log: Logger }): Promise<number> {
  const now = context.clock.now();
  const unwatched = await store.repairUnwatched(context.db, now);
  const mislinked = await store.repairAlertLinks(context.db, now);
  const goneWindows = await missingHolders(context.db);
  for (const windowId of goneWindows) await context.db.transaction((tx) => judgeHeld(tx, windowId, now));
  const repaired = unwatched.length + mislinked.length + goneWindows.length;
  if (repaired > 0) {
    named(context.log, 'sweep').warn(
      {
        unwatched: unwatched.slice(0, 100),
        mislinked: mislinked.slice(0, 100),
        gone_windows: goneWindows.slice(0, 100),
      },
      'the sweep repaired services',
    );
  }
  return repaired;
}
