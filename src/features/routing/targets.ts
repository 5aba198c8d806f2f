/**
 * Manages the targets of services (spec 04 section 4).
 * In: a validated request. Out: a target, and what the audit log keeps of the change.
 * Crash: each verb is one transaction.
 */
import type { Transaction } from '../../platform/db.ts';
import { invalid, MedicError } from '../../platform/errors.ts';
import { forgetDestination } from '../notifications/destination.ts';
import { type ConfigureContext, configure } from './configure.ts';
import { changedMembers, type ManageContext, recordChange, unknown } from './context.ts';
import type { Period } from './destination.ts';
import type { TargetRow } from './store-targets.ts';
import * as store from './store-targets.ts';

export interface TargetContext extends ConfigureContext, ManageContext {}

export interface TargetInput {
  type?: string;
  config?: Record<string, unknown>;
  priority?: number;
  enabled?: boolean;
  period?: Period;
}

/** Every alert of a service is weighed against each of them. */
const MAX_TARGETS = 100;

/** Throws `not_found`, `bad_request`, and `conflict` when the service has as many as possible. */
export async function createTarget(
  context: TargetContext,
  serviceId: number,
  input: TargetInput & { type: string; config: Record<string, unknown> },
  actor: string,
): Promise<TargetRow> {
  const { type, config: members, priority = 0, enabled = true, period = 'always' } = input;
  if (!(await store.isService(context.db, serviceId))) throw unknownService(serviceId);
  const configured = await configure(context, { channel: type, path: 'config.', members });
  const target = { service_id: serviceId, type, ...configured, priority, enabled, period };
  return context.db.transaction(async (tx) => {
    if (!(await store.lockService(tx, serviceId))) throw unknownService(serviceId);
    if ((await store.count(tx, serviceId)) >= MAX_TARGETS) {
      throw new MedicError('conflict', `A service can have ${MAX_TARGETS} targets`);
    }
    const target_id = await store.insert(tx, target);
    const change = { entity: 'target', entityId: target_id, serviceId, action: 'create' } as const;
    await recordChange(tx, context, { ...change, fields: Object.keys(input), actor });
    return { target_id, ...target };
  });
}

/**
 * Changes what is given; the configuration as a whole, in which masks keep what is stored.
 * Throws `not_found`, `bad_request`, and `conflict` when the configuration was changed at the same time.
 */
export async function changeTarget(
  context: TargetContext,
  serviceId: number,
  targetId: number,
  input: TargetInput,
  actor: string,
): Promise<TargetRow> {
  const read = await findTarget(context, serviceId, targetId);
  if (Object.keys(input).length === 0) return read;
  const { config: members, ...plain } = input;
  const type = input.type ?? read.type;
  if (type !== read.type && members === undefined) throw invalid('config', 'is required for another type');
  const before = type === read.type ? read : undefined;
  const configured =
    members === undefined
      ? undefined
      : await configure(context, { channel: type, path: 'config.', members }, before);
  return context.db.transaction(async (tx) => {
    const locked = await store.lock(tx, serviceId, targetId);
    if (locked === undefined) throw unknown('target', targetId);
    const stale =
      JSON.stringify(locked.address) !== JSON.stringify(read.address) || locked.type !== read.type;
    if (stale && members !== undefined) {
      throw new MedicError('conflict', `Target ${targetId} was changed at the same time`);
    }
    const after = { ...locked, ...plain, ...configured };
    const fields = changedMembers<object>(locked, { ...plain, type });
    if (configured !== undefined && !isSame(configured.address, locked.address)) fields.push('config');
    if (fields.length === 0) return locked;
    await store.update(tx, after);
    if (configured !== undefined) await forgetDestination(tx, { targetId });
    const change = { entity: 'target', entityId: targetId, serviceId, action: 'update' } as const;
    await recordChange(tx, context, { ...change, fields, actor });
    return after;
  });
}

/** Who was told before hears of the end of an alert all the same. Throws `not_found`. */
export function removeTarget(
  context: TargetContext,
  serviceId: number,
  targetId: number,
  actor: string,
): Promise<void> {
  return context.db.transaction(async (tx) => {
    if (!(await store.remove(tx, serviceId, targetId))) throw unknown('target', targetId);
    await forgetDestination(tx, { targetId });
    const change = { entity: 'target', entityId: targetId, serviceId, action: 'delete' } as const;
    await recordChange(tx, context, { ...change, fields: [], actor });
  });
}

/** Those of a service that is about to be deleted, whose row the caller holds. */
export async function removeTargetsOf(
  tx: Transaction,
  context: Parameters<typeof recordChange>[1],
  serviceId: number,
  actor: string,
): Promise<void> {
  for (const targetId of await store.removeOf(tx, serviceId)) {
    await forgetDestination(tx, { targetId });
    const change = { entity: 'target', entityId: targetId, serviceId, action: 'delete' } as const;
    await recordChange(tx, context, { ...change, fields: [], actor });
  }
}

/** Throws `not_found`. */
export async function findTarget(
  { db }: Pick<TargetContext, 'db'>,
  serviceId: number,
  targetId: number,
): Promise<TargetRow> {
  const target = await store.find(db, serviceId, targetId);
  if (target === undefined) throw unknown('target', targetId);
  return target;
}

/** The database returns members in another order. */
function isSame(one: object, other: object): boolean {
  const inOrder = (members: object) => JSON.stringify(Object.entries(members).sort());
  return inOrder(one) === inOrder(other);
}

export function unknownService(serviceId: number): MedicError {
  return new MedicError('not_found', `Service ${serviceId} not found`);
}
