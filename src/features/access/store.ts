import { type Database, sql } from '../../platform/db.ts';
import type { RateLimits } from './rate-class.ts';
import type { Scope } from './scope.ts';

export interface KeyRow {
  api_key_id: number;
  name: string;
  key_prefix: string;
  key_hash: string;
  scopes: Scope[];
  /** What PostgreSQL cannot express as a date, such as `infinity`, comes as a number. */
  expires_at: Date | number | null;
  rate_limits: RateLimits;
  last_used_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

export const columns = sql`api_key_id, name, key_prefix, key_hash, scopes, expires_at, rate_limits, last_used_at,
  created_at, updated_at`;

export async function findByPrefix(db: Database, prefix: string): Promise<KeyRow | undefined> {
  const { rows } = await db.query<KeyRow>(
    sql`select ${columns} from medic.api_keys where key_prefix = ${prefix}`,
  );
  return rows[0];
}

export async function listByIds(db: Database, ids: readonly number[]): Promise<KeyRow[]> {
  const { rows } = await db.query<KeyRow>(
    sql`select ${columns} from medic.api_keys where api_key_id = any(${ids})`,
  );
  return rows;
}

/** A hash of weaker parameters is replaced, unless the key was rotated meanwhile. */
export async function renewHash(db: Database, id: number, oldHash: string, newHash: string): Promise<void> {
  await db.query(sql`
    update medic.api_keys set key_hash = ${newHash} where api_key_id = ${id} and key_hash = ${oldHash}`);
}

export async function touch(db: Database, ids: readonly number[], at: Date): Promise<void> {
  await db.query(sql`
    update medic.api_keys set last_used_at = ${at}
    where api_key_id = any(${ids}) and (last_used_at is null or last_used_at < ${at})`);
}
