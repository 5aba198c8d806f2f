import { type DatabasePool, sql } from './db.ts';

const BATCH = 1000;

/**
 * Runs `work` once in each UTC day among all processes: at the first call of the day.
 * Crash: the day counts as done only when `work` has resolved.
 * @returns whether it ran here and now.
 */
export async function oncePerDay(
  db: DatabasePool,
  task: string,
  now: Date,
  work: () => Promise<void>,
): Promise<boolean> {
  const today = new Date(now);
  today.setUTCHours(0, 0, 0, 0);
  return db.transaction(async (tx) => {
    await tx.query(sql`
      insert into medic.maintenance_runs (task, last_run_at) values (${task}, 'epoch') on conflict do nothing`);
    const { rowCount } = await tx.query(sql`
      select from medic.maintenance_runs where task = ${task} and last_run_at < ${today} for update skip locked`);
    if (rowCount !== 1) return false;
    await work();
    await tx.query(sql`update medic.maintenance_runs set last_run_at = ${now} where task = ${task}`);
    return true;
  });
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
