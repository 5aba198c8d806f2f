import { type Database, sql } from '../../platform/db.ts';
import type { Queued } from './store.ts';
import type { Member } from './turn.ts';

/** Of an alert: how far its messages have come of which one is enough. */
export interface ChainState {
  alert_id: number;
  /** The target that took the last one, or null. */
  told: number | null;
  /** One is still looking for a target that takes it. */
  trying: boolean;
}

export async function statesOf(db: Database, alertIds: readonly number[]): Promise<ChainState[]> {
  const { rows } = await db.query<ChainState>(sql`
    select alert_id,
      (select told.target_id from medic.notifications told
       where told.alert_id = alert.alert_id and told.chain_id is not null and told.status = 'success'
       order by told.sequence desc limit 1) as told,
      exists (
        select from medic.notifications trying
        where trying.alert_id = alert.alert_id and trying.chain_id is not null
          and trying.status in ('pending', 'retrying')) as trying
    from unnest(${alertIds}::bigint[]) as alert (alert_id)`);
  return rows;
}

export async function membersOf(db: Database, chainId: string): Promise<(Member & Queued)[]> {
  const { rows } = await db.query<Member & Queued>(sql`
    select delivery_id, lane, position, status, round, next_attempt_at is not null as active, not_before
    from medic.notifications where chain_id = ${chainId} order by position`);
  return rows;
}

/** The chain that a notification was one of, now that it is final itself; undefined: there is none. */
export async function chainLeft(
  db: Database,
  deliveryId: string,
): Promise<{ alert_id: number; chain_id: string } | undefined> {
  const { rows } = await db.query<{ alert_id: number; chain_id: string }>(sql`
    select alert_id, chain_id from medic.notifications
    where delivery_id = ${deliveryId} and chain_id is not null and status not in ('pending', 'retrying')`);
  return rows[0];
}

/** It is the turn of this one, at an instant. */
export async function takeTurn(db: Database, deliveryId: string, round: number, at: Date): Promise<void> {
  await db.query(sql`
    update medic.notifications set next_attempt_at = ${at}, round = ${round}, not_before = null
    where delivery_id = ${deliveryId} and status in ('pending', 'retrying')`);
}

export async function leaveAlone(db: Database, deliveryId: string, until: Date): Promise<void> {
  await db.query(sql`
    update medic.notifications set not_before = ${until}
    where delivery_id = ${deliveryId} and status in ('pending', 'retrying')`);
}

export interface Finished extends Queued {
  alert_id: number;
  channel: string;
  event: string;
  status: 'failed' | 'cancelled';
  attempts: number;
  error: string | null;
}

/** What is left of a chain is final: what was tried has failed, what was not is not needed. */
export async function finishRest(db: Database, chainId: string, notNeeded: string): Promise<Finished[]> {
  const { rows } = await db.query<Finished>(sql`
    update medic.notifications set next_attempt_at = null,
      status = case when attempts > 0 then 'failed' else 'cancelled' end,
      error = case when attempts > 0 then error else ${notNeeded} end
    where chain_id = ${chainId} and status in ('pending', 'retrying')
    returning delivery_id, lane, alert_id, channel, event, status, attempts, error`);
  return rows;
}

/** Cancels the end of an alert in lanes where nobody was told of its beginning. */
export async function cancelEnds(
  db: Database,
  alertId: number,
  lanes: readonly string[],
  reason: string,
): Promise<void> {
  await db.query(sql`
    update medic.notifications ending set status = 'cancelled', next_attempt_at = null, error = ${reason}
    where ending.alert_id = ${alertId} and ending.lane = any(${lanes}) and ending.status = 'pending'
      and ending.attempts = 0 and ending.event in ('recovered', 'closed')
      and not exists (
        select from medic.notifications told
        where told.alert_id = ending.alert_id and told.lane = ending.lane and told.sequence < ending.sequence
          and (told.attempts > 0 or told.status in ('pending', 'retrying')))`);
}
