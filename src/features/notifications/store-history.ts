import type { Sql } from 'sql-template-tag';
import { type Database, sql } from '../../platform/db.ts';
import type { Address } from './channels/channel.ts';

/** What was sent, or is about to be, about alerts; oldest first. */
export interface HistoryRow {
  alert_id: number;
  channel: string;
  event: string;
  destination: string;
  address: Address;
  /** Equal for equal addresses that the same webhook, target or default route asked for. */
  identity: string;
  webhook_id: number | null;
  target_id: number | null;
  status: string;
  /** The most of those that the row stands for. */
  attempts: number;
  /** One of several of which one is enough. */
  chained: boolean;
}

export function history(db: Database, alertIds: readonly number[]): Promise<HistoryRow[]> {
  return historyWhere(db, sql`alert_id = any(${alertIds})`);
}

/** Of the history, how alerts were opened: a few rows, however many reminders followed. */
export function openings(db: Database, alertIds: readonly number[]): Promise<HistoryRow[]> {
  return historyWhere(db, sql`alert_id = any(${alertIds}) and event = 'opened'`);
}

async function historyWhere(db: Database, condition: Sql): Promise<HistoryRow[]> {
  const { rows } = await db.query<HistoryRow>(sql`
    select alert_id, channel, event, destination, (array_agg(address order by sequence desc))[1] as address,
      lane as identity, webhook_id, target_id, status, max(attempts) as attempts,
      chain_id is not null as chained
    from medic.notifications where ${condition}
    group by alert_id, channel, event, destination, lane, webhook_id, target_id, status, chained
    order by min(sequence)`);
  return rows;
}
