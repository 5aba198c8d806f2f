import type { Transaction } from '../../platform/db.ts';
import { openAlerts } from '../alerts/open.ts';
import { maintenanceOf } from '../routing/maintenance.ts';
import { type Held, tellHeld } from './held.ts';
import type { Judging } from './judge-silence.ts';
import { outageSeconds } from './outage.ts';
import type { RunContext } from './runs.ts';
import { holdRuns, markStale } from './store-runs.ts';

/**
 * Alerts runs that go on past their limit (spec 02 section 4). The caller holds the state rows of their services.
 * In: job_runs with `stale_at` in the past. Out: one alert for each run, which becomes STALE_ALERTED; in maintenance
 * nothing but when it is judged again.
 * Crash: both are in the caller's transaction, so that a run is announced once.
 */
export async function judgeStaleRuns(
  tx: Transaction,
  context: RunContext,
  serviceIds: readonly number[],
  judging: Judging,
): Promise<void> {
  const { now, asOf } = judging;
  const { holdOf } = await maintenanceOf(tx, context.log, serviceIds, { from: now, at: now });
  const held: Held[] = [];
  for (const serviceId of serviceIds) {
    const hold = holdOf(serviceId);
    if (hold === undefined) continue;
    const runIds = await holdRuns(tx, serviceId, hold, asOf);
    held.push(...runIds.map((runId) => ({ serviceId, hold, runId })));
  }
  tellHeld(tx, context, held);
  const free = serviceIds.filter((serviceId) => holdOf(serviceId) === undefined);
  const runs = await markStale(tx, free, asOf);
  await openAlerts(
    tx,
    context,
    runs.map((run) => ({
      serviceId: run.service_id,
      kind: 'stale_job' as const,
      reason: 'stale_job' as const,
      runId: run.run_id,
      at: now,
      dueAt: run.stale_at,
      outageSeconds: outageSeconds(run.started_at, [], judging),
      report: null,
    })),
  );
  tx.afterCommit(() => {
    context.heartbeatMetrics.durationAlerts.inc({ alert_type: 'stale' }, runs.length);
  });
}
