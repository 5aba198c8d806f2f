import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { AlertContext } from '../alerts/context.ts';
import { judgeBatch } from './in-batches.ts';
import { type Judging, judgeSilence } from './judge-silence.ts';
import { canJudge, recentOutages } from './liveness.ts';
import type { HeartbeatMetrics } from './metrics.ts';
import { judgeStaleRuns } from './stale-runs.ts';
import * as store from './store.ts';
import { nextStale, servicesWithStaleRuns } from './store-runs.ts';

/** Services of one transaction. */
const BATCH = 500;
/** A row that cannot be judged is looked at again after this long, so that it is never retried hot (G7). */
const POISON_DELAY_MS = 60_000;
/**
 * A sign that arrived in time may still be on its way through its commit when the deadline passes. Judging this
 * much later lets it land, so that it is never answered with a false alert.
 */
export const SETTLING_MS = 100;

export interface DetectContext extends AlertContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
  heartbeatMetrics: HeartbeatMetrics;
}

export interface Round {
  /** Services that were looked at. */
  checked: number;
  /** How long no process has been able to receive; null: none ever was. Nothing is judged while that is long. */
  silentMs: number | null;
}

/**
 * Judges every service and every run whose time has come.
 * In: service_state rows with `check_at`, and job_runs with `stale_at`, in the past. Out: alerts opened or counted,
 * and the next instant that matters.
 * Crash: a claim is a row lock, gone with its transaction; the row is still due for the next round.
 */
export async function detectDue(context: DetectContext): Promise<Round> {
  let checked = 0;
  for (;;) {
    // The clock is read first: after a pause of this process the judgement is as old as the evidence.
    const now = context.clock.now();
    const { judge, silentMs } = await canJudge(context.db, now);
    if (!judge) return { checked, silentMs };
    const judging = { now, asOf: settled(now), outages: await recentOutages(context.db, now) };
    const services = await judgeSilent(context, judging);
    const runs = await judgeStale(context, judging);
    checked += services;
    context.heartbeatMetrics.servicesChecked.inc(services);
    if (services < BATCH && runs < BATCH) return { checked, silentMs };
  }
}

async function judgeSilent(context: DetectContext, judging: Judging): Promise<number> {
  const { now, asOf } = judging;
  return judgeBatch({
    db: context.db,
    log: named(context.log, 'detect'),
    claim: (tx) => store.lockDue(tx, asOf, BATCH),
    claimOne: (tx, serviceId) => store.lockIfDue(tx, serviceId, asOf),
    judge: async (tx, ids) => judgeSilence(tx, context, await store.subjects(tx, ids), judging),
    setAside: (serviceId) => store.postpone(context.db, serviceId, later(now)),
  });
}

async function judgeStale(context: DetectContext, judging: Judging): Promise<number> {
  const { now, asOf } = judging;
  return judgeBatch({
    db: context.db,
    log: named(context.log, 'detect'),
    claim: async (tx) => store.lockFree(tx, await servicesWithStaleRuns(tx, asOf, BATCH)),
    claimOne: store.lockById,
    judge: (tx, ids) => judgeStaleRuns(tx, context, ids, judging),
    setAside: (serviceId) => store.postponeRuns(context.db, serviceId, later(now)),
  });
}

function settled(now: Date): Date {
  return new Date(now.getTime() - SETTLING_MS);
}

function later(now: Date): Date {
  return new Date(now.getTime() + POISON_DELAY_MS);
}

/** The next instant at which something is due, or null; the detector judges it `SETTLING_MS` later. */
export async function nextCheck(db: DatabasePool): Promise<Date | null> {
  const [service, run] = await Promise.all([store.nextCheck(db), nextStale(db)]);
  if (service === null || run === null) return service ?? run;
  return new Date(Math.min(service.getTime(), run.getTime()));
}
