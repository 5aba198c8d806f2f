import { inBatches } from '../../platform/daily.ts';
import type { Database, DatabasePool } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import * as partitions from './store-partitions.ts';
import { deleteRunsBefore } from './store-runs.ts';

const DAY_MS = 86_400_000;
/** Partitions exist for today and this many days ahead (spec 01 section 9). */
const DAYS_AHEAD = 7;

/**
 * Makes the event partitions of the next days and drops those that are past retention, whole.
 * In: the present day. Out: partitions. Crash: each partition is one transaction; repeating is harmless.
 */
export async function maintainPartitions(
  db: DatabasePool,
  log: Logger,
  now: Date,
  retentionDays: number,
): Promise<void> {
  const today = Math.floor(now.getTime() / DAY_MS);
  const existing = new Set(await partitions.days(db));
  for (let day = today - 1; day <= today + DAYS_AHEAD; day += 1) {
    if (!existing.has(day)) await partitions.create(db, day);
  }
  for (const day of existing) {
    if (day >= today - retentionDays) continue;
    await partitions.drop(db, day);
    named(log, 'retention').info({ day: isoDay(day) }, 'events past retention are dropped');
  }
  await partitions.trimDefault(db, new Date((today - retentionDays) * DAY_MS));
}

function isoDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** Removes finished runs past `MEDIC_HISTORY_RETENTION_DAYS`. */
export function retainRuns(db: Database, before: Date): Promise<number> {
  return inBatches((limit) => deleteRunsBefore(db, before, limit));
}
