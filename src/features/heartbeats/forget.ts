import type { Database, Transaction } from '../../platform/db.ts';
import { addJobs } from '../../platform/jobs.ts';
import { deleteEvents, newestEventId } from './store-events.ts';
import * as partitions from './store-partitions.ts';

export const FORGET_TASK = 'forget-events';

/**
 * Has the events of a deleted service removed after the commit: however many there are, nothing waits for them. The
 * caller holds its lock, so that every event it has is known by now: those of a later life are spared.
 */
export async function forgetLater(tx: Transaction, serviceId: number, at: Date): Promise<void> {
  await addJobs(tx, [
    {
      task: FORGET_TASK,
      payload: { service_id: serviceId, up_to: await newestEventId(tx) },
      runAt: at,
      key: `${FORGET_TASK}:${serviceId}`,
    },
  ]);
}

/**
 * Removes the events of a service that was deleted.
 * In: a job of `forgetLater`. Out: its events are gone. Crash: each day is one statement; the job is repeated.
 */
export async function forgetEvents(db: Database, serviceId: number, upTo: number): Promise<void> {
  for (const day of await partitions.days(db)) {
    await deleteEvents(db, serviceId, upTo, partitions.periodOf(day));
  }
  await partitions.deleteFromDefault(db, serviceId, upTo);
}
