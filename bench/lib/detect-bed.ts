import path from 'node:path';
import { type Parts, wire } from '../../src/app.ts';
import { LIVENESS_EVERY_MS, newProcessId, recordLiveness } from '../../src/features/heartbeats/liveness.ts';
import { maintainPartitions } from '../../src/features/heartbeats/retain.ts';
import { migrateAll } from '../../src/lifecycle.ts';
import { DatabaseClock } from '../../src/platform/clock.ts';
import { readConfig } from '../../src/platform/config.ts';
import { type DatabasePool, openDatabase, sql } from '../../src/platform/db.ts';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { createLogger } from '../../src/platform/logging.ts';
import { Metrics } from '../../src/platform/metrics.ts';
import { atEnd, temporaryFolder } from './cleanup.ts';
import { type Recorder, recording } from './recorder.ts';

/** The services that are made to fail; they come first. */
export const FAILING = 10_000;
export const FAILING_INTERVAL_SECONDS = 60;

export interface Bed {
  db: DatabasePool;
  clock: DatabaseClock;
  recorder: Recorder;
  /** Medic's parts on this database, with its own settings. */
  partsWith(environment: Record<string, string>): Parts;
}

/** A database with so many services, all healthy, and Medic's parts on it in this process. */
export async function makeBed(services: number): Promise<Bed> {
  const postgres = await startEmbeddedPostgres({
    dataDir: path.join(await temporaryFolder(), 'data'),
    onLog: () => {},
    // Tells when exactly an alert was committed.
    settings: { track_commit_timestamp: 'on' },
  });
  atEnd(() => postgres.stop());
  const log = createLogger({ level: 'ERROR', format: 'json', environment: 'bench', version: '0' });
  const unrecorded = openDatabase({ connection: postgres.connection, poolSize: 10, log });
  const { recorder, db } = recording(unrecorded);
  atEnd(() => db.end());
  await migrateAll(db, log);
  const clock = new DatabaseClock(db.pool, log);
  await clock.start();
  atEnd(() => clock.stop());
  await maintainPartitions(db, log, clock.now(), 30);
  await insertServices(db, services);
  const { context } = wire({ db: unrecorded, clock, log, metrics: new Metrics(), settings: readConfig({}) });
  await keepLiveness(context);
  return {
    db,
    clock,
    recorder,
    partsWith: (environment) =>
      wire({ db, clock, log, metrics: new Metrics(), settings: readConfig(environment) }),
  };
}

/** Nothing is judged while no process says that it can receive. */
async function keepLiveness(context: Parameters<typeof recordLiveness>[0]): Promise<void> {
  const processId = newProcessId();
  await recordLiveness(context, processId);
  const timer = setInterval(() => void recordLiveness(context, processId).catch(() => {}), LIVENESS_EVERY_MS);
  atEnd(() => clearInterval(timer));
}

async function insertServices(db: DatabasePool, services: number): Promise<void> {
  await db.pool.query({
    text: `insert into medic.services (heartbeat_name, name_key, service_name, alert_interval_seconds, ping_key,
        monitoring_since, date_added, date_modified)
      select 'bench-service-' || n, 'bench-service-' || n, 'bench', case when n <= $2::int then $3::int else 604800 end,
        gen_random_uuid(), now() - interval '30 days', now() - interval '30 days', now() - interval '30 days'
      from generate_series(1, $1::int) n`,
    values: [services, FAILING, FAILING_INTERVAL_SECONDS],
    // Above the limit that a single statement has otherwise.
    query_timeout: 300_000,
  } as { text: string; values: number[] });
  await db.pool.query({
    text: `insert into medic.service_state (service_id, check_at, signs, ever_alive, last_heartbeat_at, last_status)
      select service_id, sign + alert_interval_seconds * interval '1 second', array[sign], true, sign, 'UP'
      from (select service_id, alert_interval_seconds, now() + interval '1 day' - random() * interval '1 day' as sign
            from medic.services) seen`,
    query_timeout: 300_000,
  } as { text: string });
  await makeHealthy(db);
}

/** Forgets all alerts and makes every service healthy for a day. */
export async function makeHealthy(db: DatabasePool): Promise<void> {
  await db.query(
    sql`truncate medic.alerts, medic.alert_events, medic.notifications, medic.delivery_attempts`,
  );
  await db.query(sql`truncate graphile_worker._private_jobs`);
  await db.query(sql`
    update medic.service_state set alert_id = null, signs = array[now() + interval '1 day'],
      check_at = now() + interval '1 day' + ${FAILING_INTERVAL_SECONDS}::int * interval '1 second'
    where service_id <= ${FAILING}`);
  const patience = { query_timeout: 300_000 };
  await db.pool.query({ text: 'vacuum analyze medic.services, medic.service_state', ...patience } as {
    text: string;
  });
}

/** Makes the first services overdue from `at` on, evenly over `spreadMs`. */
export async function makeOverdue(db: DatabasePool, at: Date, spreadMs: number): Promise<void> {
  await db.query(sql`
    update medic.service_state set
      check_at = ${at}::timestamptz + service_id * ${spreadMs / FAILING}::float8 * interval '1 millisecond',
      signs = array[${at}::timestamptz + service_id * ${spreadMs / FAILING}::float8 * interval '1 millisecond'
        - ${FAILING_INTERVAL_SECONDS}::int * interval '1 second']
    where service_id <= ${FAILING}`);
}

/** Milliseconds from the deadline of each service to the commit of its alert. */
export async function delays(db: DatabasePool): Promise<number[]> {
  const { rows } = await db.query<{ ms: number }>(sql`
    select extract(epoch from pg_xact_commit_timestamp(alert.xmin) - state.signs[1]
      - ${FAILING_INTERVAL_SECONDS}::int * interval '1 second')::float8 * 1000 as ms
    from medic.alerts alert join medic.service_state state using (service_id)`);
  return rows.map(({ ms }) => ms);
}
