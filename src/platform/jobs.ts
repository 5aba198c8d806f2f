import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Logger as GraphileLogger,
  type Runner,
  run,
  runMigrations,
  type TaskList,
  type WorkerEvents,
} from 'graphile-worker';
import type { Clock } from './clock.ts';
import { type Database, type DatabasePool, sql } from './db.ts';
import { Turn } from './job-turn.ts';
import { type Logger, named } from './logging.ts';

/** A durable unit of work, added in the transaction of the row it is about. */
export interface Job {
  task: string;
  payload: Record<string, unknown>;
  /** Earliest start. */
  runAt: Date;
  /** At most one waiting job has this key; adding it again replaces that one. */
  key: string;
  /** Jobs with the same lane share the limit `MAX_IN_FLIGHT_PER_LANE`, so that a slow lane holds up no other. */
  lane?: string;
}

/** What a task does with the payload of its jobs. Throwing repeats the job later. */
export type Task = (payload: Record<string, unknown>) => Promise<void>;

/**
 * Jobs that run at once in one process: they wait for receivers, which costs a socket, and hold no database connection
 * meanwhile. One lane may take 8 of them, and when half are in use only one, so that hundreds of receivers that never
 * answer leave room for the next.
 */
const CONCURRENCY = 1000;
const MAX_IN_FLIGHT_PER_LANE = 8;
const MANY_IN_FLIGHT = CONCURRENCY / 2;
/** Slots that look for a job at once; each look is a commit, and one after the other they would be the limit. */
const LOOKING = 4;
/** Delayed jobs are looked for this often; new ones are announced at once by NOTIFY. */
const POLL_INTERVAL_MS = 500;
const LIVENESS_EVERY_MS = 5_000;
/** A runner that is silent for this long is dead, and its jobs are free for others. */
const DEAD_AFTER_MS = 20_000;
const REBUILD_AFTER_MS = 1_000;
/**
 * Without batches the library does not await the statement that completes a job: one that fails is an unhandled
 * rejection, which ends the process, and the job stays locked. With them it ends the runner, and that is rebuilt.
 */
const PRESET = { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } };

/** Creates or upgrades the tables of the job queue. Safe to repeat, also at the same time. */
export async function migrateJobs(db: DatabasePool, log: Logger): Promise<void> {
  await runMigrations({ pgPool: db.pool, logger: quiet(log) });
}

/** Adds jobs in the caller's transaction; they start after its commit. */
export async function addJobs(db: Database, jobs: readonly Job[]): Promise<void> {
  for (let left = jobs; left.length > 0; ) {
    const missed = new Set(await addOnce(db, left));
    left = left.filter(({ key }) => missed.has(key));
  }
}

/**
 * The library looks first for jobs with these keys that somebody has taken, to let new ones stand beside them, and then
 * adds. A job that is taken between the two is neither replaced nor joined by another (`on conflict (key) … where
 * locked_at is null`), and whoever took it does not know of the change. The next look finds it taken.
 * @returns the keys of the jobs that were not added.
 */
async function addOnce(db: Database, jobs: readonly Job[]): Promise<string[]> {
  const keys = jobs.map((job) => job.key);
  const { rows } = await db.query<{ key: string }>(sql`
    select * from unnest(${keys}::text[]) as job (key)
    except
    select key from graphile_worker.add_jobs(array(
      select row(job.task, job.payload, null, job.run_at, null, job.key, null,
                 case when job.lane is null then null else array[job.lane] end)::graphile_worker.job_spec
      from unnest(
        ${jobs.map((job) => job.task)}::text[],
        ${jobs.map((job) => JSON.stringify(job.payload))}::json[],
        ${jobs.map((job) => job.runAt)}::timestamptz[],
        ${keys}::text[],
        ${jobs.map((job) => job.lane ?? null)}::text[]
      ) as job (task, payload, run_at, key, lane)
    ))`);
  return rows.map(({ key }) => key);
}

/**
 * Frees the jobs that are held by runners without a sign of life since 20 s. The library itself waits four hours.
 * @returns how many runners were found dead.
 */
export async function releaseJobsOfDeadWorkers(db: Database, now: Date): Promise<number> {
  const silentSince = new Date(now.getTime() - DEAD_AFTER_MS);
  const { rows } = await db.query<{ locked_by: string }>(sql`
    select distinct job.locked_by from graphile_worker.jobs job
    where job.locked_at < ${silentSince}
      and not exists (
        select from medic.workers worker
        where worker.worker_id = job.locked_by and worker.last_seen_at >= ${silentSince})`);
  const dead = rows.map((row) => row.locked_by);
  if (dead.length > 0) await forgetWorkers(db, dead);
  return dead.length;
}

/** Frees whatever these workers hold. Jobs that were replaced while they ran are nobody's any more. */
async function forgetWorkers(db: Database, workerIds: readonly string[]): Promise<void> {
  await db.query(sql`
    with forgotten as (delete from medic.workers where worker_id = any(${workerIds}))
    select graphile_worker.force_unlock_workers(${workerIds})`);
  // The library takes the key of such a job and all its attempts, and leaves its row to the worker, which is dead.
  await db.query(sql`
    delete from graphile_worker._private_jobs
    where key is null and attempts >= max_attempts and locked_at is null`);
}

/** When any worker was last seen, or null. */
export async function workerLastSeen(db: Database): Promise<Date | null> {
  const { rows } = await db.query<{ at: Date | null }>(sql`
    select max(last_seen_at) as at from medic.workers`);
  return rows[0]?.at ?? null;
}

/**
 * Runs jobs until stopped. Rebuilds the library's runner when that ends by itself (it can after a loss of the
 * database), records liveness every 5 s, and takes over the jobs of dead workers.
 */
export class JobRunner {
  readonly #db: DatabasePool;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #tasks: TaskList;
  /** Jobs in flight by lane. */
  readonly #lanes = new Map<string, number>();
  #inFlight = 0;
  readonly #runners = new Set<Runner>();
  #poolId: string | undefined;
  #stopping = false;
  #loop: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(db: DatabasePool, clock: Clock, log: Logger, tasks: Record<string, Task>) {
    this.#db = db;
    this.#clock = clock;
    this.#log = named(log, 'jobs');
    this.#tasks = Object.fromEntries(
      Object.entries(tasks).map(([name, task]) => [
        name,
        (payload, helpers) => this.#inLane(helpers.job.flags, () => task(payload as Record<string, unknown>)),
      ]),
    );
  }

  start(): void {
    this.#loop = this.#run();
    this.#timer = setInterval(() => void this.#live(), LIVENESS_EVERY_MS);
  }

  /** Takes no new job and waits for those in flight, at most `timeoutMs`; what is left is freed for others. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    for (const runner of this.#runners) runner.stop().catch(() => {});
    await Promise.race([this.#ended(), sleep(timeoutMs, undefined, { ref: false })]);
    if (this.#poolId !== undefined) {
      await forgetWorkers(this.#db, [this.#poolId]).catch(() => {});
    }
  }

  async #ended(): Promise<void> {
    await this.#loop;
    await Promise.allSettled([...this.#runners].map((runner) => runner.promise));
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#runUntilBroken();
      } catch (error) {
        if (!this.#stopping) this.#log.warn({ exception: error }, 'the job runner ended and is rebuilt');
      }
      if (!this.#stopping) await sleep(REBUILD_AFTER_MS);
    }
  }

  /** A runner that could not record what became of a job finishes the others in the background. */
  async #runUntilBroken(): Promise<void> {
    const turn = new Turn(() => (this.#isCrowded ? 1 : LOOKING));
    const events: WorkerEvents = new EventEmitter();
    events.on('pool:create', ({ workerPool }) => {
      this.#poolId = workerPool.id;
    });
    const broken = new Promise<never>((_, reject) => {
      events.on('pool:fatalError', ({ error }) => reject(error));
    });
    broken.catch(() => {});
    events.on('job:start', () => turn.found());
    for (const event of ['worker:getJob:empty', 'worker:getJob:error'] as const) {
      events.on(event, () => turn.foundNothing());
    }
    // It asks the database no more from here on, so that nobody has to wait.
    events.on('pool:gracefulShutdown', () => turn.open());
    const runner = await run({
      events,
      pgPool: this.#db.pool,
      taskList: this.#tasks,
      preset: PRESET,
      concurrency: CONCURRENCY,
      pollInterval: POLL_INTERVAL_MS,
      forbiddenFlags: () => turn.take().then(() => this.#fullLanes(turn.looking - 1)),
      noHandleSignals: true,
      logger: quiet(this.#log),
    });
    this.#runners.add(runner);
    const forget = () => void this.#runners.delete(runner);
    runner.promise.then(forget, forget);
    if (this.#stopping) runner.stop().catch(() => {});
    else await this.#live();
    await Promise.race([runner.promise, broken]);
  }

  async #live(): Promise<void> {
    const now = this.#clock.now();
    try {
      if (this.#poolId !== undefined) {
        await this.#db.query(sql`
          insert into medic.workers (worker_id, last_seen_at) values (${this.#poolId}, ${now})
          on conflict (worker_id) do update set last_seen_at = excluded.last_seen_at`);
      }
      const dead = await releaseJobsOfDeadWorkers(this.#db, now);
      if (dead > 0) this.#log.warn({ workers: dead }, 'jobs of dead workers are taken over');
    } catch {
      // The database is away; the next round tries again, and being silent meanwhile is the truth.
    }
  }

  get #isCrowded(): boolean {
    return this.#inFlight >= MANY_IN_FLIGHT;
  }

  /** @param looking how many others may be about to take a job of any lane */
  #fullLanes(looking: number): string[] {
    const most = this.#isCrowded ? 1 : MAX_IN_FLIGHT_PER_LANE;
    return [...this.#lanes].filter(([, count]) => count + looking >= most).map(([lane]) => lane);
  }

  async #inLane(flags: Record<string, true> | null, work: () => Promise<void>): Promise<void> {
    const lane = Object.keys(flags ?? {})[0];
    if (lane === undefined) return work();
    this.#inFlight += 1;
    this.#lanes.set(lane, (this.#lanes.get(lane) ?? 0) + 1);
    try {
      await work();
    } finally {
      this.#inFlight -= 1;
      const left = (this.#lanes.get(lane) ?? 1) - 1;
      if (left === 0) this.#lanes.delete(lane);
      else this.#lanes.set(lane, left);
    }
  }
}

/** The library's own log lines carry job payloads and connection texts: only their gist is kept, at DEBUG. */
function quiet(log: Logger): GraphileLogger {
  return new GraphileLogger(() => (level, message) => {
    if (level === 'error' || level === 'warning') log.debug({ library: 'graphile-worker' }, message);
  });
}
