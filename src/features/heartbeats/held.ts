/**
 * What maintenance windows hold back (spec 03 section 6).
 * In: service_state and job_runs with `held_by`. Out: the same, due for judging now.
 * Crash: all of it is in the caller's transaction.
 */
import type { Transaction } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { Hold } from '../routing/maintenance.ts';
import * as store from './store-held.ts';

/** Has everything judged that a window holds back: it is about to change. */
export async function judgeHeld(tx: Transaction, windowId: number, at: Date): Promise<void> {
  await store.release(tx, windowId, await store.lockHeld(tx, windowId), at);
}

export interface Held {
  serviceId: number;
  hold: Hold;
  /** Null: the alert of the service. */
  runId: string | null;
}

/** Tells, once committed, that no alert opens now. */
export function tellHeld(tx: Transaction, { log }: { log: Logger }, held: readonly Held[]): void {
  tx.afterCommit(() => {
    for (const { serviceId, hold, runId } of held) {
      // While a window is being changed nothing is known yet.
      if (hold.windowId === null) continue;
      named(log, 'maintenance').info(
        {
          service_id: serviceId,
          window_id: hold.windowId,
          window_name: hold.windowName,
          ...(runId === null ? {} : { run_id: runId }),
        },
        'an alert is held back by a maintenance window',
      );
    }
  });
}
