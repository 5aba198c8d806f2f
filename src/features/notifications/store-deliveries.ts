import type { Sql } from 'sql-template-tag';
import { type Database, sql } from '../../platform/db.ts';

export interface DeliveryRow {
  delivery_id: string;
  alert_id: number;
  channel: string;
  event: string;
  destination: string;
  status: string;
  attempts: number;
  created_at: Date;
  last_attempt_at: Date | null;
  response_code: number | null;
  response_body: string | null;
  error: string | null;
  /** Since when its destination refuses messages for good. */
  destination_failing_since: Date | null;
}

async function deliveries(db: Database, which: Sql): Promise<DeliveryRow[]> {
  const { rows } = await db.query<DeliveryRow>(sql`
    select delivery_id, alert_id, channel, event, destination, status, attempts, created_at, last_attempt_at,
      response_code, response_body, error,
      (select failing_since from medic.destinations failing where failing.lane = notifications.lane)
        as destination_failing_since
    from medic.notifications ${which}`);
  return rows;
}

export function byIds(db: Database, deliveryIds: readonly string[]): Promise<DeliveryRow[]> {
  return deliveries(db, sql`where delivery_id = any(${deliveryIds})`);
}

/** Deliveries of an alert, oldest first: of very many the first and the newest. */
export function ofAlert(
  db: Database,
  alertId: number,
  { first, newest }: { first: number; newest: number },
): Promise<DeliveryRow[]> {
  const its = sql`select delivery_id from medic.notifications where alert_id = ${alertId}`;
  return deliveries(
    db,
    sql`where delivery_id in (
        (${its} order by sequence limit ${first}) union all (${its} order by sequence desc limit ${newest}))
      order by sequence`,
  );
}

export async function countOfAlert(db: Database, alertId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.notifications where alert_id = ${alertId}`);
  return rows[0]?.count ?? 0;
}

/** Those of a webhook, newest first. Which are on the page is found in the index alone, however many are skipped. */
export function ofWebhook(
  db: Database,
  webhookId: number,
  status: string | undefined,
  page: { limit: number; offset: number },
): Promise<DeliveryRow[]> {
  return deliveries(
    db,
    sql`where webhook_id = ${webhookId} and sequence in (
        select sequence from medic.notifications where ${matching(webhookId, status)}
        order by sequence desc limit ${page.limit} offset ${page.offset}
      ) order by sequence desc`,
  );
}

export async function countOfWebhook(
  db: Database,
  webhookId: number,
  status: string | undefined,
): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.notifications where ${matching(webhookId, status)}`);
  return rows[0]?.count ?? 0;
}

function matching(webhookId: number, status: string | undefined): Sql {
  return status === undefined
    ? sql`webhook_id = ${webhookId}`
    : sql`webhook_id = ${webhookId} and status = ${status}`;
}
