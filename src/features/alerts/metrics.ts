import type { Counter, Histogram } from 'prom-client';
import type { Metrics } from '../../platform/metrics.ts';
import * as store from './store-view.ts';

export interface AlertMetrics {
  opened: Counter<'priority' | 'team'>;
  resolved: Counter<never>;
  detectionDelay: Histogram<never>;
}

export function alertMetrics(metrics: Metrics): AlertMetrics {
  const active = metrics.gauge('medic_alerts_active', 'Active alerts');
  metrics.fromDatabase(['medic_alerts_active'], async (db) => {
    active.set(await store.countActive(db));
  });
  return {
    opened: metrics.counter('medic_alerts_total', 'Alerts opened', ['priority', 'team']),
    resolved: metrics.counter('medic_alerts_resolved_total', 'Alerts closed'),
    detectionDelay: metrics.histogram(
      'medic_alert_detection_delay_seconds',
      'Time from the deadline to the commit of the alert',
      [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30],
    ),
  };
}
