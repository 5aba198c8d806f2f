import { type Database, sql } from '../../platform/db.ts';
import type { Event, EventType } from './event.ts';

/** A change that waits for its publication. */
export interface WaitingRow {
  transaction_id: string;
  type: EventType;
  object_id: number;
  occurred_at: Date | null;
  remains: object | null;
  delivery_id: string | null;
}

/** An arbitrary key of Medic's own among the advisory locks of its database. */
const PUBLISHER_LOCK = 8_439_221;

export async function isAnythingWaiting(db: Database): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'events-waiting',
    // By the index, which soon skips the rows that were taken.
    text: 'select from medic.event_outbox order by outbox_id limit 1',
  });
  return rowCount === 1;
}

/** Until the end of the transaction nobody else publishes. @returns false: somebody else does. */
export async function becomePublisher(tx: Database): Promise<boolean> {
  const { rows } = await tx.query<{ locked: boolean }>(sql`
    select pg_try_advisory_xact_lock(${PUBLISHER_LOCK}) as locked`);
  return rows[0]?.locked === true;
}

/** Takes the oldest changes that are committed out of the outbox, in the order of each object. */
export async function takeWaiting(tx: Database, limit: number): Promise<WaitingRow[]> {
  const { rows } = await tx.query<WaitingRow>(sql`
    with oldest as (
      select outbox_id from medic.event_outbox order by outbox_id limit ${limit}
    ), taken as (
      delete from medic.event_outbox using oldest where event_outbox.outbox_id = oldest.outbox_id
      returning event_outbox.*
    )
    select transaction_id::text, type, object_id, occurred_at, remains, delivery_id from taken order by outbox_id`);
  return rows;
}

export async function append(tx: Database, events: readonly Omit<Event, 'position'>[]): Promise<void> {
  if (events.length === 0) return;
  await tx.query(sql`
    insert into medic.events (type, occurred_at, data)
    select type, occurred_at, data from unnest(
      ${events.map((event) => event.type)}::text[],
      ${events.map((event) => event.occurred_at)}::timestamptz[],
      ${events.map((event) => JSON.stringify(event.data))}::jsonb[]
    ) with ordinality as event (type, occurred_at, data, n)
    order by n`);
}

/** Removes all but the newest events. */
export async function trim(tx: Database, kept: number): Promise<void> {
  await tx.query(sql`
    delete from medic.events where position <= (
      select position from medic.events order by position desc offset ${kept} limit 1)`);
}

/** Events after a position, in order. */
export async function listAfter(db: Database, position: number, limit: number): Promise<Event[]> {
  const { rows } = await db.query<Event>({
    name: 'events-after',
    text: `select position, type, occurred_at, data from medic.events
      where position > $1 order by position limit $2`,
    values: [position, limit],
  });
  return rows;
}

/** The newest events, in order. */
export async function listNewest(db: Database, limit: number): Promise<Event[]> {
  const { rows } = await db.query<Event>(sql`
    select position, type, occurred_at, data from medic.events order by position desc limit ${limit}`);
  return rows.reverse();
}

/** The first position that was not trimmed, or null. */
export async function firstPosition(db: Database): Promise<number | null> {
  const { rows } = await db.query<{ position: number | null }>(sql`
    select min(position) as position from medic.events`);
  return rows[0]?.position ?? null;
}

/** The states that the stream has told of services. */
export async function toldStates(tx: Database, serviceIds: readonly number[]): Promise<Map<number, string>> {
  const { rows } = await tx.query<{ service_id: number; state: string }>(sql`
    select service_id, state from medic.told_states where service_id = any(${serviceIds})`);
  return new Map(rows.map((row) => [row.service_id, row.state]));
}

export async function saveToldStates(tx: Database, states: ReadonlyMap<number, string>): Promise<void> {
  if (states.size === 0) return;
  await tx.query(sql`
    insert into medic.told_states (service_id, state)
    select * from unnest(${[...states.keys()]}::int[], ${[...states.values()]}::text[])
    on conflict (service_id) do update set state = excluded.state`);
}

export async function deleteToldStates(tx: Database, serviceIds: readonly number[]): Promise<void> {
  if (serviceIds.length === 0) return;
  await tx.query(sql`delete from medic.told_states where service_id = any(${serviceIds})`);
}
