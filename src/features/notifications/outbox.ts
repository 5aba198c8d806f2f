import { randomUUID } from 'node:crypto';
import type { Transaction } from '../../platform/db.ts';
import { addJobs, type Job } from '../../platform/jobs.ts';
import type { Vault } from '../../platform/vault.ts';
import { addressSealer } from './address.ts';
import type { NewNotification } from './store.ts';
import * as store from './store.ts';

export const DELIVER_TASK = 'deliver';

/**
 * Puts messages into the outbox.
 * In: decisions of routing. Out: notifications rows with sealed credentials and, for those to be sent, their jobs.
 * Crash: rows and jobs are in the transaction of the change that they announce (G5).
 */
export async function enqueue(
  tx: Transaction,
  vault: Vault,
  notifications: readonly NewNotification[],
  now: Date,
): Promise<void> {
  if (notifications.length === 0) return;
  const stored = addressSealer(vault);
  const rows = notifications.map((notification) => ({
    ...notification,
    address: stored(notification),
    deliveryId: randomUUID(),
  }));
  await store.insertNotifications(tx, rows, now);
  await addJobs(
    tx,
    rows.filter(({ status }) => status === 'pending').map((row) => deliverJob(row, now)),
  );
}

/** The job that makes the next attempt of a notification. */
export function deliverJob(
  notification: { deliveryId: string; channel: string; destination: string },
  runAt: Date,
): Job {
  const { deliveryId, channel, destination } = notification;
  return {
    task: DELIVER_TASK,
    payload: { delivery_id: deliveryId },
    runAt,
    key: `deliver:${deliveryId}`,
    lane: `${channel}:${destination}`,
  };
}
