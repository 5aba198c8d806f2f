import { stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbedded } from './embedded-database.ts';
import { type Clock, DatabaseClock } from './platform/clock.ts';
import type { Config } from './platform/config.ts';
import { configuredLogger } from './platform/configured-logger.ts';
import { type DatabasePool, errorCode, isUnavailable, openDatabase, sql } from './platform/db.ts';
import { NOBODY } from './platform/embedded-postgres/run-as.ts';
import {
  DataFolderInUseError,
  type EmbeddedPostgres,
  runningConnection,
} from './platform/embedded-postgres.ts';
import { type Logger, named } from './platform/logging.ts';
import { pendingMigrations } from './platform/migrate.ts';

/** What a command works with that changes the database and ends. */
export interface CommandTools {
  db: DatabasePool;
  /** On the time line of the database. */
  clock: Clock;
  /** Writes to standard error: standard output is for the result. */
  log: Logger;
}

/** A Medic that owns the data folder may just be starting or stopping its server. */
const ATTEMPTS = 20;
const RETRY_MS = 500;
const POOL_SIZE = 4;

/**
 * Runs `work` on the database of the configuration. The embedded one is used through its socket while a Medic runs it;
 * otherwise it is started for the command and stopped afterwards.
 * Rejects with a message for the operator when there is no database, or its schema is not current.
 */
export async function withCommandDatabase<T>(
  config: Config,
  work: (tools: CommandTools) => Promise<T>,
): Promise<T> {
  const log = configuredLogger(config, {
    level: 'WARNING',
    destination: { write: (line: string) => void process.stderr.write(line) },
  });
  const { db, close } = await open(config, log);
  const clock = new DatabaseClock(db.pool, named(log, 'clock'));
  try {
    await requireCurrentSchema(db, config);
    await clock.start();
    return await work({ db, clock, log });
  } finally {
    clock.stop();
    await close();
  }
}

interface Opened {
  db: DatabasePool;
  close(): Promise<void>;
}

async function open(config: Config, log: Logger): Promise<Opened> {
  if (config.database === undefined) return openEmbedded(config.MEDIC_DATA_DIR, log);
  const db = openDatabase({ connection: config.database, poolSize: POOL_SIZE, log: named(log, 'db') });
  try {
    await db.query(sql`select 1`);
    return { db, close: () => db.end() };
  } catch (error) {
    await db.end();
    throw isUnavailable(error) ? unreachable(error) : error;
  }
}

async function openEmbedded(dataDir: string, log: Logger): Promise<Opened> {
  const cluster = path.join(dataDir, 'postgres');
  const owner = await ownerOf(cluster);
  // Started by root it would belong to another user afterwards, and Medic itself could not start it again.
  const foreign = process.getuid?.() === 0 && owner !== 0 && owner !== NOBODY;
  for (let attempt = 1; ; attempt += 1) {
    const server = foreign ? undefined : await startUnlessRunning(dataDir, log);
    const connection = server?.connection ?? (await runningConnection(dataDir));
    const db = openDatabase({ connection, poolSize: POOL_SIZE, log: named(log, 'db') });
    const close = async () => {
      await db.end();
      await server?.stop();
    };
    try {
      await db.query(sql`select 1`);
      return { db, close };
    } catch (error) {
      await close();
      if (!isUnavailable(error)) throw error;
      if (foreign) throw new Error(`Medic does not run: start it, or run this command as uid ${owner}`);
      if (server !== undefined || attempt >= ATTEMPTS) throw unreachable(error);
    }
    await sleep(RETRY_MS);
  }
}

/** The user that a cluster belongs to. A new, empty one in a folder that was given by mistake would help nobody. */
async function ownerOf(cluster: string): Promise<number> {
  try {
    return (await stat(cluster)).uid;
  } catch (error) {
    const folder = path.dirname(path.resolve(cluster));
    throw new Error(
      errorCode(error) === 'ENOENT'
        ? `there is no database in ${folder}: set DATABASE_URL or MEDIC_DATA_DIR as for the server, or start Medic once`
        : `cannot read ${folder} (${errorCode(error)}): run this command as the user that runs Medic`,
    );
  }
}

/** Undefined: another Medic runs the database. */
async function startUnlessRunning(dataDir: string, log: Logger): Promise<EmbeddedPostgres | undefined> {
  try {
    return await startEmbedded(dataDir, log);
  } catch (error) {
    if (error instanceof DataFolderInUseError) return undefined;
    throw error;
  }
}

async function requireCurrentSchema(db: DatabasePool, config: Config): Promise<void> {
  const pending = await pendingMigrations(db);
  if (pending.length === 0) return;
  const remedy =
    config.database === undefined ? 'start this version of Medic once' : 'run "medic migrate" first';
  throw new Error(`the schema of the database is older than this program: ${remedy}`);
}

function unreachable(cause: unknown): Error {
  return new Error(`the database does not answer (${errorCode(cause)})`, { cause });
}
