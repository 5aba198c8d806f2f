import type { Transaction } from '../../platform/db.ts';
import { closeRunAlerts } from '../alerts/close-runs.ts';
import type { AlertContext } from '../alerts/context.ts';
import { openAlerts } from '../alerts/open.ts';
import { maintenanceOf } from '../routing/maintenance.ts';
import { tellHeld } from './held.ts';
import type { HeartbeatMetrics } from './metrics.ts';
import type { FinishedRun, RunSignal } from './store-runs.ts';
import * as store from './store-runs.ts';

export interface RunContext extends AlertContext {
  heartbeatMetrics: HeartbeatMetrics;
}

/** What the sender of a signal is told about its run. */
export interface RunResult {
  durationMs: number;
  exceeded: { maxDurationMs: number; byMs: number } | null;
}

/**
 * Keeps the runs of jobs (spec 02 section 2 and 3).
 * In: signals with a run id, in order; the caller holds the state rows. Out: job_runs, alerts of runs.
 * Crash: all of it is in the caller's transaction, together with the events.
 * @returns for each signal what its sender is told; undefined where nothing was finished.
 */
export async function trackRuns(
  tx: Transaction,
  context: RunContext,
  signals: readonly RunSignal[],
): Promise<(RunResult | undefined)[]> {
  const results: (RunResult | undefined)[] = signals.map(() => undefined);
  for (const round of roundsOf(signals)) {
    await store.startRuns(
      tx,
      round.map(({ signal }) => signal).filter(({ status }) => status === 'STARTED'),
    );
    const ends = round.filter(({ signal }) => signal.status !== 'STARTED');
    const finished = await store.finishRuns(
      tx,
      ends.map(({ signal }) => signal),
    );
    const byKey = new Map(finished.map((run) => [runKey(run.service_id, run.run_id), run]));
    const judged = ends.flatMap(({ signal, index }) => {
      const run = byKey.get(runKey(signal.serviceId, signal.runId));
      if (run === undefined) return [];
      const result = resultOf(run, signal.maxDurationMs);
      results[index] = result;
      return [{ run, signal, result }];
    });
    await judgeFinished(tx, context, judged);
  }
  return results;
}

/** Signals in rounds with at most one signal of a run each, so that a start comes before its end. */
function roundsOf(signals: readonly RunSignal[]): { signal: RunSignal; index: number }[][] {
  const rounds: { signal: RunSignal; index: number }[][] = [];
  const seen = new Map<string, number>();
  signals.forEach((signal, index) => {
    const key = runKey(signal.serviceId, signal.runId);
    const round = seen.get(key) ?? 0;
    seen.set(key, round + 1);
    rounds[round] ??= [];
    rounds[round]?.push({ signal, index });
  });
  return rounds;
}

function resultOf(run: FinishedRun, maxDurationMs: number | null): RunResult {
  const durationMs = run.duration_ms ?? 0;
  const byMs = maxDurationMs === null ? 0 : durationMs - maxDurationMs;
  return { durationMs, exceeded: maxDurationMs === null || byMs <= 0 ? null : { maxDurationMs, byMs } };
}

interface Finished {
  run: FinishedRun;
  signal: RunSignal;
  result: RunResult;
}

async function judgeFinished(tx: Transaction, context: RunContext, runs: readonly Finished[]): Promise<void> {
  if (runs.length === 0) return;
  await closeRunAlerts(
    tx,
    context,
    runs.map(({ run, signal, result }) => ({
      serviceId: run.service_id,
      runId: run.run_id,
      startedAt: run.started_at,
      succeeded: run.status === 'COMPLETED',
      withinLimit: run.duration_ms !== null && result.exceeded === null,
      at: signal.at,
    })),
  );
  const exceeded = runs.filter(({ result }) => result.exceeded !== null);
  // The end of its stale alert has told, or will tell, how long it took.
  const news = exceeded.filter(({ run }) => !run.was_stale);
  const at = latestOf(news.map(({ signal }) => signal.at));
  const { holdOf } = await maintenanceOf(
    tx,
    context.log,
    news.map(({ run }) => run.service_id),
    { from: at, at },
  );
  tellHeld(
    tx,
    context,
    news.flatMap(({ run }) => {
      const hold = holdOf(run.service_id);
      return hold === undefined ? [] : [{ serviceId: run.service_id, hold, runId: run.run_id }];
    }),
  );
  await openAlerts(
    tx,
    context,
    news
      .filter(({ run }) => holdOf(run.service_id) === undefined)
      .map(({ run, signal }) => ({
        serviceId: run.service_id,
        kind: 'duration_exceeded' as const,
        reason: 'duration_exceeded' as const,
        runId: run.run_id,
        at: signal.at,
        dueAt: null,
        outageSeconds: 0,
        report: null,
      })),
  );
  tx.afterCommit(() => {
    context.heartbeatMetrics.durationAlerts.inc({ alert_type: 'exceeded' }, exceeded.length);
  });
}

function latestOf(instants: readonly Date[]): Date {
  return new Date(Math.max(0, ...instants.map((instant) => instant.getTime())));
}

function runKey(serviceId: number, runId: string): string {
  return `${serviceId}/${runId}`;
}
