import { type Database, sql } from '../../platform/db.ts';
import type { Resealed } from '../../platform/rotation.ts';

/** What may be told of a secret. */
export interface SecretRow {
  name: string;
  description: string | null;
  created_at: Date;
  updated_at: Date;
}

const columns = sql`name, description, created_at, updated_at`;

export async function listSecrets(
  db: Database,
  { limit, offset }: { limit: number; offset: number },
): Promise<SecretRow[]> {
  const { rows } = await db.query<SecretRow>(
    sql`select ${columns} from medic.secrets order by name limit ${limit} offset ${offset}`,
  );
  return rows;
}

export async function countSecrets(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`select count(*)::int as count from medic.secrets`);
  return rows[0]?.count ?? 0;
}

/** How many are sealed with none of these keys. */
export async function countForeignSecrets(db: Database, keyIds: readonly string[]): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    sql`select count(*)::int as count from medic.secrets where key_id <> all(${keyIds})`,
  );
  return rows[0]?.count ?? 0;
}

export async function findSecret(db: Database, name: string): Promise<SecretRow | undefined> {
  const { rows } = await db.query<SecretRow>(sql`select ${columns} from medic.secrets where name = ${name}`);
  return rows[0];
}

/** @returns undefined when the name is taken. */
export async function insertSecret(
  db: Database,
  secret: { name: string; description: string | null; sealed: string },
  now: Date,
): Promise<SecretRow | undefined> {
  const { rows } = await db.query<SecretRow>(sql`
    insert into medic.secrets (name, description, sealed, created_at, updated_at)
    values (${secret.name}, ${secret.description}, ${secret.sealed}, ${now}, ${now})
    on conflict (name) do nothing
    returning ${columns}`);
  return rows[0];
}

/** What is undefined stays as it is. */
export async function updateSecret(
  db: Database,
  name: string,
  { description, sealed }: { description: string | null | undefined; sealed: string | undefined },
  now: Date,
): Promise<SecretRow | undefined> {
  const { rows } = await db.query<SecretRow>(sql`
    update medic.secrets set
      description = case when ${description !== undefined} then ${description ?? null} else description end,
      sealed = coalesce(${sealed ?? null}, sealed), updated_at = ${now}
    where name = ${name} returning ${columns}`);
  return rows[0];
}

/** @returns false when there is none. */
export async function deleteSecret(db: Database, name: string): Promise<boolean> {
  const { rowCount } = await db.query(sql`delete from medic.secrets where name = ${name}`);
  return rowCount === 1;
}

export interface SealedRow {
  name: string;
  sealed: string;
}

export async function sealedByName(db: Database, names: readonly string[]): Promise<SealedRow[]> {
  const { rows } = await db.query<SealedRow>(
    sql`select name, sealed from medic.secrets where name = any(${names})`,
  );
  return rows;
}

/** Those that are not sealed with a key, in order of their names. */
export async function staleSecrets(
  db: Database,
  keyId: string,
  after: string,
  limit: number,
): Promise<SealedRow[]> {
  const { rows } = await db.query<SealedRow>(sql`
    select name, sealed from medic.secrets where key_id <> ${keyId} and name > ${after}
    order by name limit ${limit}`);
  return rows;
}

/** The same values sealed anew: no change that anybody could see. @returns how many were still as they were read. */
export async function resealSecrets(db: Database, changes: readonly Resealed[]): Promise<number> {
  const { rowCount } = await db.query(sql`
    with change as (
      select * from unnest(
        ${changes.map(({ id }) => id)}::text[],
        ${changes.map(({ stored }) => stored)}::text[],
        ${changes.map(({ sealed }) => sealed)}::text[]) as change (name, stored, sealed)
    ), unchanged as (
      select secret.secret_id, change.sealed
      from medic.secrets secret join change on change.name = secret.name and change.stored = secret.sealed
      order by secret.secret_id for no key update of secret skip locked
    )
    update medic.secrets secret set sealed = unchanged.sealed
    from unchanged where secret.secret_id = unchanged.secret_id`);
  return rowCount ?? 0;
}
