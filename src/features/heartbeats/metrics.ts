import type { Counter, Histogram } from 'prom-client';
import type { Metrics, Tally } from '../../platform/metrics.ts';
import { countStale } from './store-runs.ts';

export interface HeartbeatMetrics {
  heartbeats: Tally<'heartbeat_name' | 'status'>;
  sweepSeconds: Histogram<never>;
  servicesChecked: Counter<never>;
  outageSeconds: Counter<never>;
  durationAlerts: Counter<'alert_type'>;
}

export function heartbeatMetrics(metrics: Metrics): HeartbeatMetrics {
  const stale = metrics.gauge(
    'medic_stale_jobs_current',
    'Unfinished runs that a stale alert was opened for',
  );
  metrics.fromDatabase(['medic_stale_jobs_current'], async (db) => {
    stale.set(await countStale(db));
  });
  const durationAlerts = metrics.counter(
    'medic_duration_alerts_total',
    'Runs that took longer than their limit',
    ['alert_type'],
  );
  for (const alert_type of ['exceeded', 'stale']) durationAlerts.inc({ alert_type }, 0);
  return {
    durationAlerts,
    outageSeconds: metrics.counter(
      'medic_ingest_outage_seconds_total',
      'Length of the times in which no process could receive',
    ),
    heartbeats: metrics.tally('medic_heartbeats_total', 'Accepted events of every way in', [
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
