import type { Metrics } from '../../platform/metrics.ts';
import * as store from './store.ts';

export function registerServiceMetrics(metrics: Metrics): void {
  const registered = metrics.gauge('medic_registered_services', 'Services');
  const active = metrics.gauge('medic_active_services', 'Active services');
  const muted = metrics.gauge('medic_services_muted', 'Muted services');
  const names = ['medic_registered_services', 'medic_active_services', 'medic_services_muted'];
  metrics.fromDatabase(names, async (db) => {
    const counts = await store.counts(db);
    registered.set(counts.registered);
    active.set(counts.active);
    muted.set(counts.muted);
  });
}
