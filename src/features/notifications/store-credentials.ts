import { type Database, sql } from '../../platform/db.ts';
import type { Resealed } from '../../platform/rotation.ts';

export interface CredentialRow {
  delivery_id: string;
  channel: string;
  destination: string;
  stored: string;
  clear: boolean;
}

/** Credentials that are in clear or not sealed with a key, in order of delivery ids. */
export async function staleCredentials(
  db: Database,
  keyId: string,
  after: string,
  limit: number,
): Promise<CredentialRow[]> {
  const { rows } = await db.query<CredentialRow>(sql`
    select delivery_id, channel, destination, address ->> 'credentials' as stored,
      address ->> 'credentials' like '{%' as clear
    from medic.notifications
    where delivery_id > ${after} and address ->> 'credentials' <> ''
      and (address ->> 'credentials' like '{%' or split_part(address ->> 'credentials', ':', 2) <> ${keyId})
    order by delivery_id limit ${limit}`);
  return rows;
}

/** @returns how many were still as they were read, and not held by others. */
export async function resealCredentials(db: Database, changes: readonly Resealed[]): Promise<number> {
  const { rowCount } = await db.query(sql`
    with change as (
      select * from unnest(
        ${changes.map(({ id }) => id)}::uuid[],
        ${changes.map(({ stored }) => stored)}::text[],
        ${changes.map(({ sealed }) => sealed)}::text[]) as change (delivery_id, stored, sealed)
    ), unchanged as (
      select notification.delivery_id, change.sealed
      from medic.notifications notification join change on change.delivery_id = notification.delivery_id
        and change.stored = notification.address ->> 'credentials'
      order by notification.delivery_id for no key update of notification skip locked
    )
    update medic.notifications notification set address = notification.address
      || jsonb_build_object('credentials', unchanged.sealed)
    from unchanged where notification.delivery_id = unchanged.delivery_id`);
  return rowCount ?? 0;
}
