import type { Counter, Histogram } from 'prom-client';
import type { Metrics } from '../../platform/metrics.ts';

export interface HeartbeatMetrics {
  heartbeats: Counter<'heartbeat_name' | 'status'>;
  sweepSeconds: Histogram<never>;
  servicesChecked: Counter<never>;
}

export function heartbeatMetrics(metrics: Metrics): HeartbeatMetrics {
  return {
    heartbeats: metrics.counter('medic_heartbeats_total', 'Accepted events of every way in', [
      'heartbeat_name',
      'status',
    ]),
    sweepSeconds: metrics.histogram(
      'medic_worker_cycle_duration_seconds',
      'Time of one reconciliation sweep',
      [0.1, 0.5, 1, 2.5, 5, 10, 30],
    ),
    servicesChecked: metrics.counter(
      'medic_worker_services_checked_total',
      'Services whose deadline was looked at',
    ),
  };
}
