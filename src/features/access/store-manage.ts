import { type Database, sql, type Transaction } from '../../platform/db.ts';
import type { KeySettings } from './key-settings.ts';
import { columns, type KeyRow } from './store.ts';

/** What is stored of a key itself. */
export interface KeySecret {
  prefix: string;
  hash: string;
}

/**
 * Until the end of the transaction nobody else changes keys; they are still read and verified meanwhile. A lock of the
 * table, since the rule of the last admin concerns rows that the transaction does not touch.
 */
export async function lockKeys(tx: Transaction): Promise<void> {
  await tx.query(sql`lock table medic.api_keys in share row exclusive mode`);
}

/** Newest first. */
export async function list(db: Database, page: { limit: number; offset: number }): Promise<KeyRow[]> {
  const { rows } = await db.query<KeyRow>(sql`
    select ${columns} from medic.api_keys order by api_key_id desc limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function count(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`select count(*) as count from medic.api_keys`);
  return rows[0]?.count ?? 0;
}

export async function findById(db: Database, id: number): Promise<KeyRow | undefined> {
  const { rows } = await db.query<KeyRow>(
    sql`select ${columns} from medic.api_keys where api_key_id = ${id}`,
  );
  return rows[0];
}

export async function findByName(db: Database, name: string): Promise<KeyRow | undefined> {
  const { rows } = await db.query<KeyRow>(sql`select ${columns} from medic.api_keys where name = ${name}`);
  return rows[0];
}

export async function listOtherAdmins(db: Database, id: number): Promise<KeyRow[]> {
  const { rows } = await db.query<KeyRow>(sql`
    select ${columns} from medic.api_keys where 'admin' = any(scopes) and api_key_id <> ${id}`);
  return rows;
}

/** @returns undefined when another key has the name or the prefix. */
export async function insert(
  db: Database,
  settings: KeySettings,
  secret: KeySecret,
  at: Date,
): Promise<KeyRow | undefined> {
  const { rows } = await db.query<KeyRow>(sql`
    insert into medic.api_keys
      (name, key_prefix, key_hash, scopes, expires_at, rate_limits, created_at, updated_at)
    values (${settings.name}, ${secret.prefix}, ${secret.hash}, ${settings.scopes}, ${settings.expires_at},
      ${JSON.stringify(settings.rate_limits)}, ${at}, ${at})
    on conflict do nothing returning ${columns}`);
  return rows[0];
}

/** Call it with the keys locked. @returns undefined when another key has the name. */
export async function update(
  tx: Transaction,
  id: number,
  settings: KeySettings,
  at: Date,
): Promise<KeyRow | undefined> {
  const { rows } = await tx.query<KeyRow>(sql`
    update medic.api_keys
    set name = ${settings.name}, scopes = ${settings.scopes}, expires_at = ${settings.expires_at},
      rate_limits = ${JSON.stringify(settings.rate_limits)}, updated_at = ${at}
    where api_key_id = ${id} and not exists (
      select from medic.api_keys other where other.name = ${settings.name} and other.api_key_id <> ${id})
    returning ${columns}`);
  return rows[0];
}

/** Call it with the keys locked. @returns undefined when another key has the prefix. */
export async function setSecret(
  tx: Transaction,
  id: number,
  secret: KeySecret,
  at: Date,
): Promise<KeyRow | undefined> {
  const { rows } = await tx.query<KeyRow>(sql`
    update medic.api_keys set key_prefix = ${secret.prefix}, key_hash = ${secret.hash}, updated_at = ${at}
    where api_key_id = ${id} and not exists (
      select from medic.api_keys other
      where other.key_prefix = ${secret.prefix} and other.api_key_id <> ${id})
    returning ${columns}`);
  return rows[0];
}

export async function remove(tx: Transaction, id: number): Promise<void> {
  await tx.query(sql`delete from medic.api_keys where api_key_id = ${id}`);
}
