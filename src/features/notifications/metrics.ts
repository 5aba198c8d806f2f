import type { Counter } from 'prom-client';
import type { Metrics } from '../../platform/metrics.ts';
import * as store from './store.ts';

export interface NotificationMetrics {
  /** Final results. */
  notifications: Counter<'channel' | 'event' | 'status'>;
  /** Final results of webhooks. */
  webhooks: Counter<'status'>;
}

export function notificationMetrics(metrics: Metrics, channels: Iterable<string>): NotificationMetrics {
  const names = [...channels];
  const pending = metrics.gauge('medic_notifications_pending', 'Notifications not yet final', ['channel']);
  metrics.fromDatabase(['medic_notifications_pending'], async (db) => {
    pending.reset();
    for (const channel of names) pending.set({ channel }, 0);
    for (const { channel, count } of await store.countUnfinished(db)) pending.set({ channel }, count);
  });
  const webhooks = metrics.counter('medic_webhook_deliveries_total', 'Final results of outgoing webhooks', [
    'status',
  ]);
  for (const status of ['success', 'failed']) webhooks.inc({ status }, 0);
  return {
    webhooks,
    notifications: metrics.counter('medic_notifications_total', 'Final results of notifications', [
      'channel',
      'event',
      'status',
    ]),
  };
}

/** Counts a final result. */
export function countFinal(
  { notifications, webhooks }: NotificationMetrics,
  { channel, event, status }: { channel: string; event: string; status: string },
): void {
  notifications.inc({ channel, event, status });
  if (channel === 'webhook') webhooks.inc({ status });
}
