import { raw } from 'sql-template-tag';
import { type Database, type DatabasePool, isLockTimeout, sql, type Transaction } from '../../platform/db.ts';

const DAY_MS = 86_400_000;
/** Everything that comes after a waiting lock waits with it, heartbeats included: a backup may read for an hour. */
const PATIENCE = '1s';

/** The UTC days, counted from 1970-01-01, that have a partition of events. */
export async function days(db: Database): Promise<number[]> {
  const { rows } = await db.query<{ name: string }>(sql`
    select child.relname as name from pg_inherits
    join pg_class child on child.oid = inhrelid
    where inhparent = 'medic.heartbeats'::regclass`);
  return rows.flatMap(({ name }) => {
    const match = /^heartbeats_(\d{4})(\d{2})(\d{2})$/.exec(name);
    return match === null
      ? []
      : [Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])) / DAY_MS];
  });
}

/**
 * Creates the partition of a day; what arrived in the default partition for that day moves into it.
 * @returns false when somebody else holds the events for too long.
 */
export function create(db: DatabasePool, day: number): Promise<boolean> {
  const table = nameOf(day);
  const { from, to } = periodOf(day);
  return patiently(db, async (tx) => {
    // One creator at a time, and no event may slip into the default partition in between.
    await tx.query(sql`lock table medic.heartbeats_default in access exclusive mode`);
    const { rows } = await tx.query<{ present: boolean }>(
      sql`select to_regclass(${table}) is not null as present`,
    );
    if (rows[0]?.present === true) return;
    await tx.query(
      sql`create table ${raw(table)} (like medic.heartbeats including defaults including constraints)`,
    );
    await tx.query(sql`
      with moved as (
        delete from medic.heartbeats_default where received_at >= ${from} and received_at < ${to} returning *)
      insert into ${raw(table)} select * from moved`);
    await tx.query(sql`
      alter table medic.heartbeats attach partition ${raw(table)}
      for values from (${raw(`'${from.toISOString()}'`)}) to (${raw(`'${to.toISOString()}'`)})`);
  });
}

/** @returns false when somebody else holds the events for too long. */
export function drop(db: DatabasePool, day: number): Promise<boolean> {
  return patiently(db, async (tx) => {
    await tx.query(sql`drop table if exists ${raw(nameOf(day))}`);
  });
}

async function patiently(db: DatabasePool, work: (tx: Transaction) => Promise<void>): Promise<boolean> {
  try {
    await db.transaction(async (tx) => {
      await tx.query(sql`set local lock_timeout = ${raw(`'${PATIENCE}'`)}`);
      await work(tx);
    });
    return true;
  } catch (error) {
    if (isLockTimeout(error)) return false;
    throw error;
  }
}

/** The default partition is normally empty; what is in it and past retention goes. */
export async function trimDefault(db: Database, before: Date): Promise<void> {
  await db.query(sql`delete from medic.heartbeats_default where received_at < ${before}`);
}

export async function deleteFromDefault(db: Database, serviceId: number, upTo: number): Promise<void> {
  await db.query(sql`
    delete from medic.heartbeats_default where service_id = ${serviceId} and heartbeat_id <= ${upTo}`);
}

/** The instants of a day, its end not included. */
export function periodOf(day: number): { from: Date; to: Date } {
  return { from: new Date(day * DAY_MS), to: new Date((day + 1) * DAY_MS) };
}

function nameOf(day: number): string {
  return `medic.heartbeats_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;
}
