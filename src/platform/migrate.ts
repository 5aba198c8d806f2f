import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { PoolClient } from 'pg';
import type { DatabasePool } from './db.ts';
import type { Logger } from './logging.ts';

/** Spec 09 section 2: one session advisory lock makes concurrent processes wait for each other. */
const LOCK_ID = 8439215;
/** A change of a large table, and the wait for the process that makes it, take as long as they take. */
const MIGRATION_TIMEOUT_MS = 2 ** 31 - 1;
const FILE_NAME = /^(\d{3})_[a-z0-9_]+\.sql$/;

export const MIGRATIONS_DIR = path.join(import.meta.dirname, '../../migrations');

export interface Migration {
  /** `NNN_name`, the value of `schema_migrations.version`. */
  version: string;
  file: string;
}

/** The migrations of a folder in order. Rejects on a `.sql` file whose name is not `NNN_name.sql`. */
async function listMigrations(directory = MIGRATIONS_DIR): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  return names.map((name) => {
    if (!FILE_NAME.test(name)) throw new Error(`${name}: a migration is named NNN_name.sql`);
    return { version: name.slice(0, -'.sql'.length), file: path.join(directory, name) };
  });
}

/** The migrations that this database still lacks. */
export async function pendingMigrations(db: DatabasePool, directory = MIGRATIONS_DIR): Promise<Migration[]> {
  const client = await db.pool.connect();
  try {
    return await pendingOn(client, directory);
  } finally {
    client.release();
  }
}

/**
 * Applies what is pending, each file in its own transaction together with its record; repeating is harmless.
 * Crash: a file is applied and recorded, or neither.
 * @returns the versions that were applied now.
 */
export async function migrate(db: DatabasePool, log: Logger, directory = MIGRATIONS_DIR): Promise<string[]> {
  const client = await db.pool.connect();
  let failed: Error | undefined;
  try {
    await client.query(patient('select pg_advisory_lock($1)', [LOCK_ID]));
    const applied: string[] = [];
    for (const migration of await pendingOn(client, directory)) {
      await apply(client, migration);
      log.info({ version: migration.version }, 'migration applied');
      applied.push(migration.version);
    }
    await client.query('select pg_advisory_unlock($1)', [LOCK_ID]);
    return applied;
  } catch (error) {
    failed = error instanceof Error ? error : new Error(String(error));
    throw failed;
  } finally {
    // A connection that may still hold the lock is closed, not reused.
    client.release(failed);
  }
}

function patient(text: string, values: unknown[] = []) {
  return { text, values, query_timeout: MIGRATION_TIMEOUT_MS };
}

async function apply(client: PoolClient, migration: Migration): Promise<void> {
  const statements = await readFile(migration.file, 'utf8');
  try {
    await client.query('begin');
    await client.query('create schema if not exists medic');
    await client.query(
      `create table if not exists medic.schema_migrations (
         version text primary key,
         applied_at timestamptz(3) not null default clock_timestamp())`,
    );
    await client.query(patient(statements));
    await client.query('insert into medic.schema_migrations (version) values ($1)', [migration.version]);
    await client.query('commit');
  } catch (cause) {
    await client.query('rollback').catch(() => {});
    throw new Error(`migration ${migration.version} failed: ${String(cause)}`, { cause });
  }
}

async function pendingOn(client: PoolClient, directory: string): Promise<Migration[]> {
  const all = await listMigrations(directory);
  const { rows: table } = await client.query<{ present: boolean }>(
    `select to_regclass('medic.schema_migrations') is not null as present`,
  );
  if (table[0]?.present !== true) return all;
  const { rows } = await client.query<{ version: string }>('select version from medic.schema_migrations');
  const done = new Set(rows.map((row) => row.version));
  return all.filter((migration) => !done.has(migration.version));
}
