import { type Database, sql } from '../../platform/db.ts';
import type { Resealed } from '../../platform/rotation.ts';

export type Table = 'targets' | 'webhooks';

export interface CredentialRow {
  id: number;
  channel: string;
  destination: string;
  stored: string;
  clear: boolean;
}

const FROM = {
  targets: sql`select target_id as id, type as channel, destination, address from medic.targets`,
  webhooks: sql`select webhook_id as id, 'webhook' as channel, destination, address from medic.webhooks`,
};

/** Credentials that are in clear or not sealed with a key, in order of ids. */
export async function staleCredentials(
  db: Database,
  table: Table,
  keyId: string,
  after: number,
  limit: number,
): Promise<CredentialRow[]> {
  const { rows } = await db.query<CredentialRow>(sql`
    select id, channel, destination, address ->> 'credentials' as stored,
      address ->> 'credentials' like '{%' as clear
    from (${FROM[table]}) as place
    where id > ${after} and address ->> 'credentials' <> ''
      and (address ->> 'credentials' like '{%' or split_part(address ->> 'credentials', ':', 2) <> ${keyId})
    order by id limit ${limit}`);
  return rows;
}

/** @returns how many were still as they were read, and not held by others. */
export async function resealCredentials(
  db: Database,
  table: Table,
  changes: readonly Resealed[],
): Promise<number> {
  const change = sql`
    change as (
      select * from unnest(
        ${changes.map(({ id }) => Number(id))}::integer[],
        ${changes.map(({ stored }) => stored)}::text[],
        ${changes.map(({ sealed }) => sealed)}::text[]) as change (id, stored, sealed))`;
  const statement = {
    targets: sql`
      with ${change}, unchanged as (
        select target_id, change.sealed from medic.targets target
        join change on change.id = target.target_id and change.stored = target.address ->> 'credentials'
        order by target_id for no key update of target skip locked)
      update medic.targets target set address = target.address || jsonb_build_object('credentials', unchanged.sealed)
      from unchanged where target.target_id = unchanged.target_id`,
    webhooks: sql`
      with ${change}, unchanged as (
        select webhook_id, change.sealed from medic.webhooks webhook
        join change on change.id = webhook.webhook_id and change.stored = webhook.address ->> 'credentials'
        order by webhook_id for no key update of webhook skip locked)
      update medic.webhooks webhook set address = webhook.address || jsonb_build_object('credentials', unchanged.sealed)
      from unchanged where webhook.webhook_id = unchanged.webhook_id`,
  };
  const { rowCount } = await db.query(statement[table]);
  return rowCount ?? 0;
}
