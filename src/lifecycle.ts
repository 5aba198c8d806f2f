import { setTimeout as sleep } from 'node:timers/promises';
import { createApi, createProbe } from './api.ts';
import { type Parts, wire } from './app.ts';
import { startEmbedded } from './embedded-database.ts';
import { ensureFirstKey, requireWellFormed } from './features/access/first-key.ts';
import { warnOfOpenMode } from './features/access/mode.ts';
import { reportForeignSecrets } from './features/access/secrets.ts';
import { watchKeys } from './features/access/watch.ts';
import type { Readiness } from './features/health/routes.ts';
import { LIVENESS_EVERY_MS, newProcessId, recordLiveness } from './features/heartbeats/liveness.ts';
import { maintainPartitions } from './features/heartbeats/retain.ts';
import type { Router } from './http/server.ts';
import { DatabaseClock } from './platform/clock.ts';
import type { Config, Role } from './platform/config.ts';
import { configuredLogger } from './platform/configured-logger.ts';
import { type DatabasePool, isUnavailable, openDatabase } from './platform/db.ts';
import type { EmbeddedPostgres } from './platform/embedded-postgres.ts';
import { ConfigurationError } from './platform/environment.ts';
import { migrateJobs } from './platform/jobs.ts';
import { type Logger, named } from './platform/logging.ts';
import { Metrics } from './platform/metrics.ts';
import { migrate, pendingMigrations } from './platform/migrate.ts';
import { repeat } from './platform/repeat.ts';
import { withSecretsKey } from './platform/secrets-key.ts';
import { showFirstKey } from './show-key.ts';
import { Worker } from './worker.ts';

/** A running Medic. */
export interface Medic {
  /** Where the HTTP listener is, such as `http://127.0.0.1:8080`. */
  readonly address: string;
  /** Resolves when Medic cannot go on, with the reason. */
  readonly failed: Promise<Error>;
  /** Ends everything in order, the database last. */
  stop(): Promise<void>;
}

const DATABASE_RETRY_MS = 1_000;
/** Of the time for the shutdown, what is kept for giving back the jobs that did not end. */
const RELEASE_JOBS_MS = 2_000;
const METRIC_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/**
 * Starts the given role, waiting for its database as long as that takes or until `giveUp`; what was given up must be
 * stopped like any other. Rejects when the start is impossible, with a message for the operator.
 */
export async function startMedic(settings: Config, role: Role, giveUp: AbortSignal): Promise<Medic> {
  if (settings.database === undefined && role !== 'all') {
    throw new ConfigurationError('DATABASE_URL', `is needed by "medic ${role}": roles share one database`);
  }
  requireWellFormed(settings.MEDIC_ADMIN_API_KEY);
  const { config, generated } = await withSecretsKey(settings);
  const log = configuredLogger(config);
  if (generated !== undefined) {
    named(log, 'main').warn(
      { file: generated },
      `generated the key of the secrets in ${generated}: keep a copy of it apart from the database, without it they are lost`,
    );
  }
  const embedded =
    config.database === undefined ? await startEmbedded(config.MEDIC_DATA_DIR, log) : undefined;
  const metrics = new Metrics();
  const queries = metrics.histogram(
    'medic_db_client_operation_duration_seconds',
    'Time of a statement',
    METRIC_BUCKETS,
    ['operation', 'service_name'],
  );
  const db = openDatabase({
    connection: config.database ?? embedded?.connection ?? {},
    poolSize: config.MEDIC_DB_POOL_SIZE,
    log: named(log, 'db'),
    observe: (operation, seconds) => queries.observe({ operation, service_name: 'medic' }, seconds),
    onConnectionError: () => metrics.connectionFailed(),
  });
  const clock = new DatabaseClock(db.pool, named(log, 'clock'));
  const parts = wire({ db, clock, log, metrics, settings: config });
  const running = new Running(parts, config, role, clock, embedded);
  try {
    await running.start(giveUp);
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}

class Running implements Medic {
  readonly failed: Promise<Error>;
  readonly #parts: Parts;
  readonly #config: Config;
  readonly #role: Role;
  readonly #clock: DatabaseClock;
  readonly #embedded: EmbeddedPostgres | undefined;
  readonly #worker: Worker | undefined;
  readonly #readiness: Readiness;
  readonly #stopped = new AbortController();
  readonly #processId = newProcessId();
  #liveness: Promise<void> | undefined;
  #watching: Promise<void> | undefined;
  #server: Router | undefined;
  #address = '';

  constructor(
    parts: Parts,
    config: Config,
    role: Role,
    clock: DatabaseClock,
    embedded: EmbeddedPostgres | undefined,
  ) {
    this.#parts = parts;
    this.#config = config;
    this.#role = role;
    this.#clock = clock;
    this.#embedded = embedded;
    this.#worker = role === 'api' ? undefined : new Worker(parts);
    const worker = this.#worker;
    this.#readiness = {
      migrated: false,
      stopping: false,
      workerAlive: () => worker === undefined || !this.#readiness.migrated || worker.isAlive(),
    };
    this.failed = new Promise((resolve) => {
      embedded?.exited.then(({ code, signal }) =>
        resolve(new Error(`the embedded PostgreSQL ended by itself (${signal ?? `exit code ${code}`})`)),
      );
    });
  }

  get address(): string {
    return this.#address;
  }

  /** Listens first, so that probes are answered while the database is still being prepared. */
  async start(giveUp: AbortSignal): Promise<void> {
    const { MEDIC_HOST: host, PORT, METRICS_PORT } = this.#config;
    const alone = this.#role === 'worker';
    await this.#parts.limiter.start();
    this.#server = await (alone ? createProbe : createApi)(this.#parts, this.#readiness);
    this.#address = await this.#server.listen({ host, port: alone ? METRICS_PORT : PORT });
    if (!alone) {
      const { context, settings } = this.#parts;
      warnOfOpenMode(settings.MEDIC_AUTH_MODE, context.log, this.#stopped.signal);
    }
    await this.#prepareDatabase(giveUp);
    if (giveUp.aborted) return;
    this.#stayAlive();
    this.#watching = watchKeys(this.#parts.context, this.#parts.keys, this.#stopped.signal);
    if (this.#role !== 'worker') this.#parts.events.start();
    this.#worker?.start();
  }

  async stop(): Promise<void> {
    const { context, ingest, limiter } = this.#parts;
    const timeoutMs = this.#config.MEDIC_SHUTDOWN_TIMEOUT_SECONDS * 1000;
    this.#readiness.stopping = true;
    this.#stopped.abort();
    const drained = Promise.all([
      this.#liveness,
      this.#watching,
      this.#server?.close().then(() => ingest.drain()),
      this.#readiness.migrated ? this.#worker?.stop(Math.max(0, timeoutMs - RELEASE_JOBS_MS)) : undefined,
    ]);
    await Promise.race([drained, sleep(timeoutMs, undefined, { ref: false })]);
    await limiter.stop();
    this.#clock.stop();
    await Promise.race([context.db.end(), sleep(1_000, undefined, { ref: false })]);
    await this.#embedded?.stop();
    named(context.log, 'main').info('stopped');
  }

  /** Says every 2 s that this process can store heartbeats. */
  #stayAlive(): void {
    if (this.#role === 'worker') return;
    const { context } = this.#parts;
    this.#liveness = repeat('liveness', context.log, this.#stopped.signal, async () => {
      await recordLiveness(context, this.#processId);
      return LIVENESS_EVERY_MS;
    });
  }

  /** Waits until the database answers, its schema is current and everything is ready to serve. */
  async #prepareDatabase(giveUp: AbortSignal): Promise<void> {
    const log = named(this.#parts.context.log, 'main');
    for (let attempt = 0; !giveUp.aborted; attempt += 1) {
      try {
        if (await this.#isMigrated()) return await this.#makeReady();
        if (attempt % 30 === 0)
          log.warn('the schema is older than this program: waiting for "medic migrate"');
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        if (attempt % 30 === 0)
          log.warn({ exception: error }, 'the database does not answer: waiting for it');
      }
      await sleep(DATABASE_RETRY_MS, undefined, { signal: giveUp }).catch(() => {});
    }
  }

  /** The end of an outage is recorded before anything is received, so that every report lies before or after it. */
  async #makeReady(): Promise<void> {
    const { context } = this.#parts;
    await this.#clock.start();
    const { HEARTBEAT_RETENTION_DAYS: days } = this.#config;
    await maintainPartitions(context.db, named(context.log, 'main'), this.#clock.now(), days);
    await reportForeignSecrets(context.db, context.vault, context.log);
    if (this.#role !== 'worker') {
      await this.#ensureFirstKey();
      await recordLiveness(context, this.#processId);
    }
    this.#readiness.migrated = true;
  }

  #ensureFirstKey(): Promise<void> {
    const { access, context } = this.#parts;
    const { database, MEDIC_ADMIN_API_KEY: given, MEDIC_DATA_DIR: dataDir } = this.#config;
    return ensureFirstKey({
      ...access,
      log: context.log,
      given,
      mayGenerate: this.#config.MEDIC_AUTO_CREATE_ADMIN_KEY ?? database === undefined,
      show: (key) => showFirstKey(key, dataDir),
    });
  }

  async #isMigrated(): Promise<boolean> {
    const { db, log } = this.#parts.context;
    if (!this.#config.MEDIC_AUTO_MIGRATE) return (await pendingMigrations(db)).length === 0;
    await migrateAll(db, log);
    return true;
  }
}

/** Applies Medic's migrations and those of its job queue. @returns Medic's that were applied. */
export async function migrateAll(db: DatabasePool, log: Logger, directory?: string): Promise<string[]> {
  await migrateJobs(db, log);
  return migrate(db, named(log, 'migrate'), directory);
}
