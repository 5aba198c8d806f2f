import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrateAll } from '../../src/lifecycle.ts';
import { openDatabase } from '../../src/platform/db.ts';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { silentLogger } from './logger.ts';

export interface Connection {
  host: string;
  port: number;
  user: string;
  password?: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    postgres: Connection;
  }
}

/** The migrated database that every test file's own database is copied from. */
export const TEMPLATE = 'medic_template';

/**
 * One real PostgreSQL for the whole run: the embedded one, or the server of `MEDIC_TEST_DATABASE_URL`, on which
 * databases named `medic_…` are made and dropped.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const external = process.env.MEDIC_TEST_DATABASE_URL;
  const { connection, stop } = external === undefined ? await embedded() : serverOf(external);
  await admin(connection, `drop database if exists ${TEMPLATE}`);
  await admin(connection, `create database ${TEMPLATE}`);
  const db = openDatabase({
    connection: { ...connection, database: TEMPLATE },
    poolSize: 2,
    log: silentLogger(),
  });
  await migrateAll(db, silentLogger());
  await db.end();
  project.provide('postgres', connection);
  return stop;
}

async function embedded(): Promise<{ connection: Connection; stop: () => Promise<void> }> {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'medic-test-'));
  const server = await startEmbeddedPostgres({ dataDir, onLog: () => {} });
  const { host, port, user } = server.connection;
  return {
    connection: { host, port, user },
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function serverOf(text: string): { connection: Connection; stop: () => Promise<void> } {
  const url = new URL(text);
  const connection = {
    host: url.searchParams.get('host') ?? (url.hostname || 'localhost'),
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
  return { connection, stop: async () => {} };
}

/** Runs one statement outside of any test database. */
export async function admin(connection: Connection, statement: string): Promise<void> {
  const client = new pg.Client({ ...connection, database: 'template1' });
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
