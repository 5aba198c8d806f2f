/**
 * Manages webhooks, which hear of every alert (spec 04 section 9).
 * In: a validated request. Out: a webhook, and what the audit log keeps of the change.
 * Crash: each verb is one transaction.
 */
import type { Transaction } from '../../platform/db.ts';
import { invalid, MedicError } from '../../platform/errors.ts';
import { forgetDestination } from '../notifications/destination.ts';
import { type Configured, configure, opened } from './configure.ts';
import { changedMembers, recordChange, unknown } from './context.ts';
import { lockService } from './store-targets.ts';
import type { WebhookRow } from './store-webhooks.ts';
import * as store from './store-webhooks.ts';
import type { TargetContext } from './targets.ts';

/** The channel that they go through, and that knows how one is configured. */
const CHANNEL = 'webhook';
/** Of one service, and again of all services: each of them hears of every alert. */
const MAX_WEBHOOKS = 50;

export interface WebhookInput {
  service_id?: number | null;
  enabled?: boolean;
  url?: string;
  headers?: Record<string, string> | null;
  secret?: string | null;
}

/** Throws `bad_request`, and `conflict` when there are as many as possible. */
export async function createWebhook(
  context: TargetContext,
  input: WebhookInput & { url: string },
  actor: string,
): Promise<WebhookRow> {
  const { service_id = null, enabled = true, ...members } = input;
  const configured = await configure(context, { channel: CHANNEL, path: '', members });
  return context.db.transaction(async (tx) => {
    await makeRoom(tx, service_id);
    const webhook = { service_id, enabled, ...configured };
    const webhook_id = await store.insert(tx, webhook);
    const change = {
      entity: 'webhook',
      entityId: webhook_id,
      serviceId: service_id,
      action: 'create',
    } as const;
    await recordChange(tx, context, { ...change, fields: Object.keys(input), actor });
    return { webhook_id, ...webhook };
  });
}

/**
 * Changes what is given; masks keep what is stored.
 * Throws `not_found`, `bad_request`, and `conflict` when the configuration was changed at the same time.
 */
export async function changeWebhook(
  context: TargetContext,
  webhookId: number,
  input: WebhookInput,
  actor: string,
): Promise<WebhookRow> {
  const read = await findWebhook(context, webhookId);
  if (Object.keys(input).length === 0) return read;
  const { service_id, enabled, ...members } = input;
  const configured =
    Object.keys(members).length === 0 ? undefined : await reconfigure(context, read, members);
  return context.db.transaction(async (tx) => {
    // Before its row is locked: whoever deletes the service takes both in this order.
    if (service_id !== undefined && service_id !== read.service_id) await makeRoom(tx, service_id);
    const locked = await store.lock(tx, webhookId);
    if (locked === undefined) throw unknown('webhook', webhookId);
    if (configured !== undefined && JSON.stringify(locked.address) !== JSON.stringify(read.address)) {
      throw new MedicError('conflict', `Webhook ${webhookId} was changed at the same time`);
    }
    const after = {
      ...locked,
      ...configured,
      ...(service_id === undefined ? {} : { service_id }),
      ...(enabled === undefined ? {} : { enabled }),
    };
    // Whether a credential is another one than before is neither told nor found out.
    const plain = changedMembers(locked, after).filter((name) => name === 'service_id' || name === 'enabled');
    const fields = [...plain, ...Object.keys(members)];
    if (fields.length === 0) return locked;
    await store.update(tx, after);
    if (configured !== undefined) await forgetDestination(tx, { webhookId });
    const change = { entity: 'webhook', entityId: webhookId, serviceId: after.service_id } as const;
    await recordChange(tx, context, { ...change, action: 'update', fields, actor });
    return after;
  });
}

/** Throws `not_found`. */
export function removeWebhook(context: TargetContext, webhookId: number, actor: string): Promise<void> {
  return context.db.transaction(async (tx) => {
    const removed = await store.remove(tx, webhookId);
    if (removed === undefined) throw unknown('webhook', webhookId);
    await forgetDestination(tx, { webhookId });
    const change = { entity: 'webhook', entityId: webhookId, serviceId: removed.service_id } as const;
    await recordChange(tx, context, { ...change, action: 'delete', fields: [], actor });
  });
}

/** Throws `not_found`. */
export async function findWebhook({ db }: Pick<TargetContext, 'db'>, webhookId: number): Promise<WebhookRow> {
  const webhook = await store.find(db, webhookId);
  if (webhook === undefined) throw unknown('webhook', webhookId);
  return webhook;
}

/** Members that are not given stay, also those that answers mask. */
function reconfigure(
  context: TargetContext,
  read: WebhookRow,
  members: Readonly<Record<string, unknown>>,
): Promise<Configured> {
  const all = { ...opened(context.vault, CHANNEL, read), ...members };
  return configure(context, { channel: CHANNEL, path: '', members: all }, read);
}

/** Those of a service that is about to be deleted, whose row the caller holds. */
export async function removeWebhooksOf(
  tx: Transaction,
  context: Parameters<typeof recordChange>[1],
  serviceId: number,
  actor: string,
): Promise<void> {
  for (const webhookId of await store.removeOf(tx, serviceId)) {
    await forgetDestination(tx, { webhookId });
    const change = { entity: 'webhook', entityId: webhookId, serviceId, action: 'delete' } as const;
    await recordChange(tx, context, { ...change, fields: [], actor });
  }
}

async function makeRoom(tx: Transaction, serviceId: number | null): Promise<void> {
  if (serviceId === null) await store.lockGlobal(tx);
  else if (!(await lockService(tx, serviceId))) {
    throw invalid('service_id', `${serviceId} does not exist`);
  }
  if ((await store.countOf(tx, serviceId)) < MAX_WEBHOOKS) return;
  const whose = serviceId === null ? 'of all services' : 'of a service';
  throw new MedicError('conflict', `There can be ${MAX_WEBHOOKS} webhooks ${whose}`);
}
