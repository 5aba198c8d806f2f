import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DatabasePool, sql } from '../src/platform/db.ts';
import { addJobs, type Job } from '../src/platform/jobs.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { eventually } from './harness/process.ts';

let medic: TestMedic;
let db: DatabasePool;

beforeEach(async () => {
  medic = await startTestMedic();
  db = medic.connect(4);
});
afterEach(async () => {
  await db.end();
  await medic.close();
});

function jobOf(key: string): Job {
  return { task: 'deliver', payload: { delivery_id: key }, runAt: medic.clock.now(), key };
}

/** The keys of jobs that a worker could take. */
async function available(): Promise<string[]> {
  const { rows } = await db.query<{ key: string }>(sql`
    select key from graphile_worker.jobs where locked_at is null and attempts < max_attempts order by key`);
  return rows.map(({ key }) => key);
}

/** As the library takes a job, up to its commit. */
async function take(key: string) {
  const client = await db.pool.connect();
  await client.query('begin');
  await client.query(
    `update graphile_worker._private_jobs set attempts = attempts + 1, locked_at = now(), locked_by = 'other'
     where key = $1`,
    [key],
  );
  return {
    commit: async () => {
      await client.query('commit');
      client.release();
    },
  };
}

async function isWaitingForALock(): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '%add_jobs%'`);
  return rowCount === 1;
}

test('a job that is added at the moment in which a worker takes the one before is a job of its own', async () => {
  await addJobs(db, ['a', 'b', 'c'].map(jobOf));
  const worker = await take('b');
  const added = db.transaction((tx) => addJobs(tx, ['a', 'b', 'c'].map(jobOf)));
  await eventually('the addition waits for the worker', 5_000, isWaitingForALock);
  await worker.commit();
  await added;
  expect(await available()).toEqual(['a', 'b', 'c']);
});

test('a job that is added again while nobody has taken it stays one', async () => {
  await addJobs(db, [jobOf('a')]);
  await addJobs(db, [jobOf('a')]);
  expect(await available()).toEqual(['a']);
});
