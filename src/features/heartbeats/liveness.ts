import { randomUUID } from 'node:crypto';
import type { Clock } from '../../platform/clock.ts';
import type { Database, DatabasePool, Transaction } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { HeartbeatMetrics } from './metrics.ts';
import type { Outage } from './outage.ts';
import * as store from './store-liveness.ts';
import { extendRuns } from './store-runs.ts';

export interface LivenessContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
  heartbeatMetrics: HeartbeatMetrics;
}

/** A process that can store heartbeats says so this often (spec 01 section 8). */
export const LIVENESS_EVERY_MS = 2_000;
/** A silence of all processes that is longer than this is an outage. */
const OUTAGE_AFTER_MS = 10_000;
/** While the newest record is older than this, nobody is judged: whoever reports now is not heard. */
const DEAF_AFTER_MS = 4_000;
/** Outages that may still move a deadline; the longest interval and grace are a week each. */
const RELEVANT_MS = 30 * 86_400_000;

/** Identifies this process among those that can store heartbeats. */
export function newProcessId(): string {
  return randomUUID();
}

/**
 * Records that this process can store heartbeats, and the outage that ends thereby.
 * In: the newest record of all processes. Out: a new record; an outages row, exactly once however many processes
 * start together, with the limits of running runs extended.
 * Crash: an outage and what ends it are one transaction.
 */
export async function recordLiveness(context: LivenessContext, processId: string): Promise<void> {
  const { db, clock } = context;
  // Read before the record, so that a pause of this process can only make it look older.
  const now = clock.now();
  const newest = await store.newestLiveness(db);
  if (newest !== null && now.getTime() - newest.getTime() <= OUTAGE_AFTER_MS) {
    return store.saveLiveness(db, processId, now);
  }
  const outage = await db.transaction((tx) => endOutage(tx, processId, clock));
  if (outage === null) return;
  const seconds = (outage.endedAt.getTime() - outage.startedAt.getTime()) / 1000;
  context.heartbeatMetrics.outageSeconds.inc(seconds);
  named(context.log, 'liveness').warn(
    { started_at: outage.startedAt.toISOString(), ended_at: outage.endedAt.toISOString(), seconds },
    'Medic itself was unavailable; deadlines are extended',
  );
}

async function endOutage(tx: Transaction, processId: string, clock: Clock): Promise<Outage | null> {
  // Whoever holds the lock records the outage; the others come back with the next record.
  if (!(await store.tryLockLiveness(tx))) return null;
  const startedAt = await store.newestLiveness(tx);
  const endedAt = clock.now();
  await store.saveLiveness(tx, processId, endedAt);
  if (startedAt === null || endedAt.getTime() - startedAt.getTime() <= OUTAGE_AFTER_MS) return null;
  await store.insertOutage(tx, { startedAt, endedAt });
  await extendRuns(tx, { startedAt, endedAt });
  return { startedAt, endedAt };
}

/** Whether reports are being received, as far as `now` can know; nothing may be judged otherwise. */
export async function canJudge(
  db: Database,
  now: Date,
): Promise<{ judge: boolean; silentMs: number | null }> {
  const newest = await store.newestLiveness(db);
  const silentMs = newest === null ? null : now.getTime() - newest.getTime();
  return { judge: silentMs !== null && silentMs <= DEAF_AFTER_MS, silentMs };
}

/** The outages that may still move a deadline, by their start. */
export function recentOutages(db: Database, now: Date): Promise<Outage[]> {
  return store.outagesSince(db, new Date(now.getTime() - RELEVANT_MS));
}

/** Forgets outages that move no deadline any more, and processes that are gone. */
export async function forgetOldOutages(db: Database, now: Date): Promise<void> {
  await store.deleteBefore(db, new Date(now.getTime() - RELEVANT_MS));
}
