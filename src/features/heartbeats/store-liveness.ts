import { type Database, sql } from '../../platform/db.ts';
import type { Outage } from './outage.ts';

/** An arbitrary key of Medic's own among the advisory locks of its database. */
const LIVENESS_LOCK = 8_439_216;

/** @returns whether this transaction is the one that looks for an outage. */
export async function tryLockLiveness(db: Database): Promise<boolean> {
  const { rows } = await db.query<{ locked: boolean }>(sql`
    select pg_try_advisory_xact_lock(${LIVENESS_LOCK}) as locked`);
  return rows[0]?.locked === true;
}

export async function newestLiveness(db: Database): Promise<Date | null> {
  const { rows } = await db.query<{ at: Date | null }>(sql`
    select max(last_seen_at) as at from medic.ingest_liveness`);
  return rows[0]?.at ?? null;
}

export async function saveLiveness(db: Database, processId: string, at: Date): Promise<void> {
  await db.query(sql`
    insert into medic.ingest_liveness (process_id, last_seen_at) values (${processId}, ${at})
    on conflict (process_id) do update set last_seen_at = excluded.last_seen_at`);
}

export async function insertOutage(db: Database, { startedAt, endedAt }: Outage): Promise<void> {
  await db.query(sql`insert into medic.outages (started_at, ended_at) values (${startedAt}, ${endedAt})`);
}

export async function outagesSince(db: Database, since: Date): Promise<Outage[]> {
  const { rows } = await db.query<{ started_at: Date; ended_at: Date }>(sql`
    select started_at, ended_at from medic.outages where ended_at >= ${since} order by started_at`);
  return rows.map(({ started_at, ended_at }) => ({ startedAt: started_at, endedAt: ended_at }));
}

/** The newest record of all is kept: it is what the next outage is measured from. */
export async function deleteBefore(db: Database, before: Date): Promise<void> {
  await db.query(sql`delete from medic.outages where ended_at < ${before}`);
  await db.query(sql`
    delete from medic.ingest_liveness
    where last_seen_at < ${before}
      and last_seen_at < (select max(last_seen_at) from medic.ingest_liveness)`);
}
