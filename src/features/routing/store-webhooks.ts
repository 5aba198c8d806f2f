import { empty } from 'sql-template-tag';
import { type Database, sql } from '../../platform/db.ts';
import type { Configured } from './configure.ts';

export interface WebhookRow extends Configured {
  webhook_id: number;
  /** Null: of all services. */
  service_id: number | null;
  enabled: boolean;
}

const COLUMNS = sql`webhook_id, service_id, config, destination, address, enabled`;

/** Newest first; of one service only its own. */
export async function list(
  db: Database,
  serviceId: number | undefined,
  page: { limit: number; offset: number },
): Promise<WebhookRow[]> {
  const where = serviceId === undefined ? empty : sql`where service_id = ${serviceId}`;
  const { rows } = await db.query<WebhookRow>(sql`
    select ${COLUMNS} from medic.webhooks ${where}
    order by webhook_id desc limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function count(db: Database, serviceId: number | undefined): Promise<number> {
  const where = serviceId === undefined ? empty : sql`where service_id = ${serviceId}`;
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.webhooks ${where}`);
  return rows[0]?.count ?? 0;
}

/** How many a service has, or, for null, how many are of all services. */
export async function countOf(db: Database, serviceId: number | null): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.webhooks where service_id is not distinct from ${serviceId}`);
  return rows[0]?.count ?? 0;
}

/** Those of services, and those of all, by id. */
export async function ofServices(db: Database, serviceIds: readonly number[]): Promise<WebhookRow[]> {
  const { rows } = await db.query<WebhookRow>(sql`
    select ${COLUMNS} from medic.webhooks where service_id = any(${serviceIds}) or service_id is null
    order by webhook_id`);
  return rows;
}

export async function find(db: Database, webhookId: number): Promise<WebhookRow | undefined> {
  const { rows } = await db.query<WebhookRow>(sql`
    select ${COLUMNS} from medic.webhooks where webhook_id = ${webhookId}`);
  return rows[0];
}

export async function lock(db: Database, webhookId: number): Promise<WebhookRow | undefined> {
  const { rows } = await db.query<WebhookRow>(sql`
    select ${COLUMNS} from medic.webhooks where webhook_id = ${webhookId} for update`);
  return rows[0];
}

/** An arbitrary key of Medic's own among the advisory locks of its database. */
const GLOBAL_WEBHOOKS_LOCK = 8_439_231;

/** Has those that add a webhook of all services do so one after the other. */
export async function lockGlobal(db: Database): Promise<void> {
  await db.query(sql`select pg_advisory_xact_lock(${GLOBAL_WEBHOOKS_LOCK})`);
}

export async function insert(db: Database, webhook: Omit<WebhookRow, 'webhook_id'>): Promise<number> {
  const { rows } = await db.query<{ webhook_id: number }>(sql`
    insert into medic.webhooks (service_id, config, destination, address, enabled)
    values (${webhook.service_id}, ${JSON.stringify(webhook.config)}, ${webhook.destination},
      ${JSON.stringify(webhook.address)}, ${webhook.enabled})
    returning webhook_id`);
  return (rows[0] as { webhook_id: number }).webhook_id;
}

export async function update(db: Database, webhook: WebhookRow): Promise<void> {
  await db.query(sql`
    update medic.webhooks set
      service_id = ${webhook.service_id}, config = ${JSON.stringify(webhook.config)},
      destination = ${webhook.destination}, address = ${JSON.stringify(webhook.address)},
      enabled = ${webhook.enabled}
    where webhook_id = ${webhook.webhook_id}`);
}

/** @returns the service of the one that was removed, or undefined when there is none. */
export async function remove(
  db: Database,
  webhookId: number,
): Promise<{ service_id: number | null } | undefined> {
  const { rows } = await db.query<{ service_id: number | null }>(sql`
    delete from medic.webhooks where webhook_id = ${webhookId} returning service_id`);
  return rows[0];
}

/** Those of one service. @returns the ids. */
export async function removeOf(db: Database, serviceId: number): Promise<number[]> {
  const { rows } = await db.query<{ webhook_id: number }>(sql`
    delete from medic.webhooks where service_id = ${serviceId} returning webhook_id`);
  return rows.map((row) => row.webhook_id);
}
