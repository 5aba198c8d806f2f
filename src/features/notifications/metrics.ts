import type { Counter } from 'prom-client';
import type { Metrics } from '../../platform/metrics.ts';
import * as store from './store.ts';

export interface NotificationMetrics {
  pagerDutyRequests: Counter<'action' | 'status'>;
  slackRequests: Counter<'status'>;
  /** Final results. */
  notifications: Counter<'channel' | 'event' | 'status'>;
}

export function notificationMetrics(metrics: Metrics): NotificationMetrics {
  const pending = metrics.gauge('medic_notifications_pending', 'Notifications not yet final', ['channel']);
  metrics.fromDatabase(['medic_notifications_pending'], async (db) => {
    pending.reset();
    for (const channel of ['slack', 'pagerduty']) pending.set({ channel }, 0);
    for (const { channel, count } of await store.countUnfinished(db)) pending.set({ channel }, count);
  });
  const pagerDutyRequests = metrics.counter('medic_pagerduty_requests_total', 'Requests to PagerDuty', [
    'action',
    'status',
  ]);
  const slackRequests = metrics.counter('medic_slack_requests_total', 'Requests to Slack', ['status']);
  for (const status of ['success', 'failure']) {
    slackRequests.inc({ status }, 0);
    for (const action of ['trigger', 'resolve', 'acknowledge']) pagerDutyRequests.inc({ action, status }, 0);
  }
  return {
    pagerDutyRequests,
    slackRequests,
    notifications: metrics.counter('medic_notifications_total', 'Final results of notifications', [
      'channel',
      'event',
      'status',
    ]),
  };
}
