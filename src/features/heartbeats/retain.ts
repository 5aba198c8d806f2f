import { inBatches } from '../../platform/daily.ts';
import type { Database, DatabasePool } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import * as partitions from './store-partitions.ts';
import { deleteRunsBefore } from './store-runs.ts';

const DAY_MS = 86_400_000;
/** Partitions exist for today and this many days ahead (spec 01 section 9). */
const DAYS_AHEAD = 7;

/**
 * Makes the event partitions of the next days and drops those that are past retention, whole. One that somebody else
 * holds is left for the next day: until then its events lie in the default partition, or a day longer.
 * In: the present day. Out: partitions. Crash: each partition is one transaction; repeating is harmless.
 */
export async function maintainPartitions(
  db: DatabasePool,
  log: Logger,
  now: Date,
  retentionDays: number,
): Promise<void> {
  const logger = named(log, 'retention');
  const today = Math.floor(now.getTime() / DAY_MS);
  const existing = await partitions.days(db);
  for (let day = today - 1; day <= today + DAYS_AHEAD; day += 1) {
    if (existing.includes(day) || (await partitions.create(db, day))) continue;
    logger.warn({ day: isoDay(day) }, 'events are in use: partitions are made the next time');
    break;
  }
  for (const day of existing.filter((one) => one < today - retentionDays)) {
    if (!(await partitions.drop(db, day))) {
      logger.warn({ day: isoDay(day) }, 'events are in use: those past retention are dropped the next time');
      break;
    }
    logger.info({ day: isoDay(day) }, 'events past retention are dropped');
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
