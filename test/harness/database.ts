import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { admin, TEMPLATE } from './postgres.ts';

export interface TestDatabase {
  name: string;
  connection: { host: string; port: number; user: string; password?: string; database: string };
  /** For a process of its own. */
  url: string;
  drop(): Promise<void>;
}

/** A migrated database of its own. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = inject('postgres');
  const name = `medic_test_${randomBytes(6).toString('hex')}`;
  await admin(server, `create database ${name} template ${TEMPLATE}`);
  const password = server.password === undefined ? '' : `:${encodeURIComponent(server.password)}`;
  return {
    name,
    connection: { ...server, database: name },
    url: `postgres://${encodeURIComponent(server.user)}${password}@/${name}?host=${encodeURIComponent(server.host)}&port=${server.port}`,
    drop: () => admin(server, `drop database if exists ${name} with (force)`),
  };
}
