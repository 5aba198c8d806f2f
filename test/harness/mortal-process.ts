import { setTimeout as sleep } from 'node:timers/promises';
import { Logger, runOnce, type TaskList } from 'graphile-worker';
import type { Parts } from '../../src/app.ts';
import { sql } from '../../src/platform/db.ts';
import { releaseJobsOfDeadWorkers } from '../../src/platform/jobs.ts';
import { tasksOf } from '../../src/worker.ts';
import type { TestMedic } from './medic.ts';
import type { MortalDatabase } from './mortal-database.ts';
import { eventually } from './process.ts';

/** What the job runner of a process that dies does: the library's runner, set up as in production, one by one. */
export async function runJobsOf(medic: TestMedic, doomed: Parts, life: MortalDatabase): Promise<void> {
  await medic.db.query(sql`
    update graphile_worker._private_jobs set run_at = now()
    where run_at <= ${medic.clock.now()} and locked_at is null`);
  const jobs = runOnce({
    pgPool: doomed.context.db.pool,
    taskList: tasksOf(doomed) as TaskList,
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    concurrency: 1,
    noHandleSignals: true,
    logger: new Logger(() => () => {}),
  }).catch(() => {});
  // The library's shutdown may wait for ever for a connection that is gone; the dead wait for nothing.
  await Promise.race([jobs, life.death.then(() => sleep(1_000))]);
}

/** The same database seen by the process that is started in place of the dead one. */
export async function restart(medic: TestMedic): Promise<void> {
  // PostgreSQL notices within milliseconds that the dead are gone; rounds before that skip the rows they hold.
  await eventually('transactions of the dead end', 5_000, async () => {
    const { rowCount } = await medic.db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()`);
    return rowCount === 0;
  });
  await releaseJobsOfDeadWorkers(medic.db, medic.clock.now());
  await medic.settle();
}

/** Another process goes on, until after the lease of an attempt that nobody finishes. */
export async function takeOver(medic: TestMedic): Promise<void> {
  await restart(medic);
  await medic.advance('36s');
}
