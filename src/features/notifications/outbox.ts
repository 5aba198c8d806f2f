import { randomUUID } from 'node:crypto';
import type { Transaction } from '../../platform/db.ts';
import { addJobs, type Job } from '../../platform/jobs.ts';
import type { Vault } from '../../platform/vault.ts';
import { addressSealer } from './address.ts';
import type { Channel } from './channels/channel.ts';
import type { NewNotification } from './store.ts';
import * as store from './store.ts';

export type { NewNotification } from './store.ts';

export const DELIVER_TASK = 'deliver';

export interface OutboxContext {
  vault: Vault;
  channels: ReadonlyMap<string, Channel>;
}

/**
 * Puts messages into the outbox.
 * In: decisions of routing. Out: notifications rows with sealed credentials and, for those to be sent, their jobs.
 * Crash: rows and jobs are in the transaction of the change that they announce (G5).
 */
export async function enqueue(
  tx: Transaction,
  context: OutboxContext,
  notifications: readonly NewNotification[],
  now: Date,
): Promise<void> {
  if (notifications.length === 0) return;
  const stored = addressSealer(context);
  const rows = notifications.map((notification) => ({
    ...notification,
    address: stored(notification),
    deliveryId: randomUUID(),
  }));
  const pending = await store.insertNotifications(tx, rows, now);
  await addJobs(
    tx,
    pending.map((row) => deliverJob(row, now)),
  );
}

/**
 * After a notification has become final: the next one to the same destination has waited for it, and had its job in
 * vain. One that waits for an attempt of its own keeps its time.
 */
export async function wakeNext(
  tx: Transaction,
  after: { alert_id: number; lane: string },
  now: Date,
): Promise<void> {
  const next = await store.nextInLane(tx, after);
  if (next === undefined) return;
  await addJobs(tx, [deliverJob(next, next.due_at > now ? next.due_at : now)]);
}

/** The job that makes the next attempt of a notification. */
export function deliverJob({ delivery_id, lane }: { delivery_id: string; lane: string }, runAt: Date): Job {
  return { task: DELIVER_TASK, payload: { delivery_id }, runAt, key: `deliver:${delivery_id}`, lane };
}
