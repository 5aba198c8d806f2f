import { Logger, runOnce, type TaskList } from 'graphile-worker';
import { createApi } from '../../src/api.ts';
import { type Parts, wire } from '../../src/app.ts';
import { maintainPartitions } from '../../src/features/heartbeats/retain.ts';
import { ManualClock } from '../../src/platform/clock.ts';
import { readConfig } from '../../src/platform/config.ts';
import { type DatabasePool, openDatabase, sql } from '../../src/platform/db.ts';
import { Metrics } from '../../src/platform/metrics.ts';
import { runRound, tasksOf } from '../../src/worker.ts';
import { ADMIN_KEY, AUTHORIZATION } from './admin.ts';
import { createTestDatabase } from './database.ts';
import { GENEROUS } from './limits.ts';
import { recordingLogger } from './logger.ts';
import { FakePagerDuty, FakeSlack } from './receivers.ts';

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

export interface TestMedic {
  readonly url: string;
  readonly parts: Parts;
  readonly db: DatabasePool;
  readonly clock: ManualClock;
  readonly slack: FakeSlack;
  readonly pagerDuty: FakePagerDuty;
  /** What was logged. */
  readonly lines: Record<string, unknown>[];
  /** One request with an optional JSON body, by an admin unless the headers say otherwise. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** The built-in one with the key of an admin; the path follows `url`. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** A second Medic on the same database, clock and receivers: another process, as far as the database can tell. */
  another(db?: DatabasePool): Parts;
  /** Connections to the same database; the caller ends them. */
  connect(poolSize?: number): DatabasePool;
  /** Moves the clock and lets everything happen that is due by then. */
  advance(duration: string): Promise<void>;
  /** As if a process had been able to receive all the time until now; nothing is judged without. */
  receiving(): Promise<void>;
  /** One round of the detector: deadlines and mutes, without deliveries. */
  detect(): Promise<void>;
  /** Lets everything happen that is due now: deadlines, mutes, deliveries. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** Later than any real clock, so that the job queue, which knows the real time only, runs what `settle` releases. */
export const START = '2040-03-01T12:00:00.000Z';

/** Medic on a database of its own with a clock that stands still, reached by real HTTP. */
export async function startTestMedic(environment: Record<string, string> = {}): Promise<TestMedic> {
  const database = await createTestDatabase();
  const slack = new FakeSlack();
  const pagerDuty = new FakePagerDuty();
  await Promise.all([slack.listen(), pagerDuty.listen()]);
  const settings = readConfig({
    SLACK_API_TOKEN: 'xoxb-test',
    SLACK_CHANNEL_ID: 'C-DEFAULT',
    SLACK_API_BASE_URL: slack.url,
    PAGERDUTY_ROUTING_KEY: 'default-routing-key',
    PAGERDUTY_EVENTS_URL: `${pagerDuty.url}/v2/enqueue`,
    MEDIC_BASE_URL: 'https://medic.example.com',
    ...GENEROUS,
    ...environment,
  });
  const { log, lines } = recordingLogger();
  const clock = new ManualClock(new Date(START));
  const connect = (poolSize = 10) => openDatabase({ connection: database.connection, poolSize, log });
  const db = connect();
  const build = (its: DatabasePool) =>
    wire({ db: its, clock, log, metrics: new Metrics(), settings, random: () => 0 });
  const parts = build(db);
  await maintainPartitions(db, log, clock.now(), settings.HEARTBEAT_RETENTION_DAYS);
  await createAdminKey(parts);
  await parts.limiter.start();
  const server = await createApi(parts, { migrated: true, stopping: false, workerAlive: () => true });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });

  const medic: TestMedic = {
    url,
    parts,
    db,
    clock,
    slack,
    pagerDuty,
    lines,
    another: (its = db) => build(its),
    connect,
    fetch: (path, init) => {
      const headers = new Headers(init?.headers);
      if (!headers.has('authorization')) headers.set('authorization', AUTHORIZATION);
      return fetch(url + path, { ...init, headers });
    },
    async call(method, path, body, headers = {}) {
      const response = await medic.fetch(path, {
        method,
        headers,
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await textOf(response);
      return { status: response.status, headers: response.headers, body: parse(text) };
    },
    async advance(duration) {
      const target = clock.now().getTime() + milliseconds(duration);
      while (clock.now().getTime() < target) {
        const step = Math.min(await untilNextEvent(db, clock.now()), target - clock.now().getTime());
        clock.advance(step);
        await medic.settle();
      }
    },
    async receiving() {
      await db.query(sql`
        insert into medic.ingest_liveness (process_id, last_seen_at) values ('harness', ${clock.now()})
        on conflict (process_id) do update set last_seen_at = excluded.last_seen_at`);
    },
    async detect() {
      await medic.receiving();
      await runRound(parts);
    },
    async settle() {
      for (let round = 0; round < 100; round += 1) {
        await medic.detect();
        if ((await runDueJobs(parts)) === 0) return;
      }
      throw new Error('jobs keep making jobs that are due at once');
    },
    async close() {
      await server.close();
      await parts.limiter.stop();
      await db.end();
      await Promise.all([slack.close(), pagerDuty.close()]);
      await database.drop();
    },
  };
  return medic;
}

/** An event stream goes on for ever: that it began is all of its answer. */
async function textOf(response: Response): Promise<string> {
  if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) return response.text();
  await response.body?.cancel();
  return '';
}

async function createAdminKey({ context: { db, clock }, keys }: Parts): Promise<void> {
  const hash = await keys.hasher.hash(ADMIN_KEY);
  await db.query(sql`
    insert into medic.api_keys (name, key_prefix, key_hash, scopes, created_at, updated_at)
    values ('admin', ${ADMIN_KEY.slice(4, 12)}, ${hash}, '{read,write,admin}', ${clock.now()}, ${clock.now()})`);
}

/** Runs every job that is due by Medic's clock, once. @returns how many there were. */
export async function runDueJobs({ context, ...parts }: Parts): Promise<number> {
  const { rowCount } = await context.db.query(sql`
    update graphile_worker._private_jobs set run_at = now()
    where run_at <= ${context.clock.now()} and locked_at is null and attempts < max_attempts`);
  if (rowCount === 0) return 0;
  await runOnce({
    pgPool: context.db.pool,
    taskList: tasksOf({ context, ...parts }) as TaskList,
    // Otherwise it would end before its last job is removed.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    concurrency: 4,
    noHandleSignals: true,
    logger: new Logger(() => () => {}),
  });
  return rowCount ?? 0;
}

/** Milliseconds to the next instant at which something is due, so that `advance` skips no step in between. */
async function untilNextEvent(db: DatabasePool, now: Date): Promise<number> {
  const { rows } = await db.query<{ at: Date | null }>(sql`
    select min(at) as at from (
      select min(check_at) + interval '101 milliseconds' as at from medic.service_state
      union all select min(greatest(stale_at, held_until)) + interval '101 milliseconds' from medic.job_runs where stale_at is not null
      union all select min(mute_until) from medic.mutes
      union all select min(run_at) from graphile_worker.jobs where attempts < max_attempts
    ) due where at > ${now}`);
  const next = rows[0]?.at;
  return next === null || next === undefined ? Number.POSITIVE_INFINITY : next.getTime() - now.getTime();
}

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function milliseconds(duration: string): number {
  let total = 0;
  for (const [, number, unit] of duration.matchAll(/(\d+)(ms|s|m|h|d)/g))
    total += Number(number) * (UNITS[unit ?? ''] ?? 0);
  return total;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
