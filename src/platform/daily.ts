import type { PoolClient } from 'pg';
import { type DatabasePool, sql } from './db.ts';

const BATCH = 1000;
/** An arbitrary class of Medic's own among the advisory locks of its database. */
const LOCK_CLASS = 8_439_217;

/**
 * Runs `work` once in each UTC day among all processes: at the first call of the day. Meanwhile a session lock is held
 * and no transaction: that would be ended when it is idle for long, and keep every table from being cleaned up.
 * Crash: the lock ends with its connection, and the day counts as done only when `work` has resolved.
 * @returns whether it ran here and now.
 */
export async function oncePerDay(
  db: DatabasePool,
  task: string,
  now: Date,
  work: () => Promise<void>,
): Promise<boolean> {
  const client = await db.pool.connect();
  let failed: Error | undefined;
  try {
    const { rows } = await client.query<{ locked: boolean }>(sql`
      select pg_try_advisory_lock(${LOCK_CLASS}, hashtext(${task})) as locked`);
    if (rows[0]?.locked !== true) return false;
    const due = await isDue(client, task, now);
    if (due) {
      await work();
      await client.query(sql`
        insert into medic.maintenance_runs (task, last_run_at) values (${task}, ${now})
        on conflict (task) do update set last_run_at = excluded.last_run_at`);
    }
    await client.query(sql`select pg_advisory_unlock(${LOCK_CLASS}, hashtext(${task}))`);
    return due;
  } catch (error) {
    failed = error instanceof Error ? error : new Error(String(error));
    throw failed;
  } finally {
    // A connection that may still hold the lock is closed, not reused.
    client.release(failed);
  }
}

async function isDue(client: PoolClient, task: string, now: Date): Promise<boolean> {
  const today = new Date(now);
  today.setUTCHours(0, 0, 0, 0);
  const { rowCount } = await client.query(sql`
    select from medic.maintenance_runs where task = ${task} and last_run_at >= ${today}`);
  return rowCount === 0;
}

/** Repeats a limited deletion until it removes less than a batch. @returns how many rows in all. */
export async function inBatches(deleteSome: (limit: number) => Promise<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const count = await deleteSome(BATCH);
    total += count;
    if (count < BATCH) return total;
  }
}
