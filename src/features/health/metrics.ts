import type { Metrics } from '../../platform/metrics.ts';
import type { HealthCheck } from './check.ts';

const HEALTHY: ReadonlySet<string> = new Set(['healthy', 'configured']);

/** `medic_health_status`: 1 for a component that is well, read at each scrape. */
export function registerHealthMetrics(metrics: Metrics, check: HealthCheck): void {
  const health = metrics.gauge('medic_health_status', 'State of a component, 1 is well', ['component']);
  metrics.fromDatabase([], async () => {
    for (const [component, { status }] of Object.entries(await check.components())) {
      health.set({ component }, HEALTHY.has(status) ? 1 : 0);
    }
  });
}

/** The metrics that name the running program. */
export function registerInfoMetrics(
  metrics: Metrics,
  info: { version: string; environment: string; description: string },
): void {
  const { version, environment, description } = info;
  metrics.gauge('medic_info', 'Version', ['version']).set({ version }, 1);
  metrics
    .gauge('medic_app_info', 'Version and description', ['version', 'description'])
    .set({ version, description }, 1);
  metrics
    .gauge('medic_build_info', 'The running build', [
      'service_name',
      'service_version',
      'deployment_environment',
      'runtime_version',
    ])
    .set(
      {
        service_name: 'medic',
        service_version: version,
        deployment_environment: environment,
        runtime_version: process.version,
      },
      1,
    );
}
