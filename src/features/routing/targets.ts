/**
 * Manages the targets of services (spec 04 section 4).
 * In: a validated request. Out: a target, and what the audit log keeps of the change.
 * Crash: each verb is one transaction.
 */
import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { invalid, MedicError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logging.ts';
import { type ConfigureContext, configure } from './configure.ts';
import type { Period } from './destination.ts';
import { changedIn, recordEdit } from './edit-log.ts';
import type { TargetRow } from './store-targets.ts';
import * as store from './store-targets.ts';

export interface TargetContext extends ConfigureContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
}

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
    await recordEdit(tx, context, {
      entity: 'target',
      entityId: target_id,
      serviceId,
      action: 'create',
      changedFields: ['type', 'config', 'priority', 'enabled', 'period'],
      actor,
      at: context.clock.now(),
    });
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
    if (locked === undefined) throw unknownTarget(targetId);
    const stale =
      JSON.stringify(locked.address) !== JSON.stringify(read.address) || locked.type !== read.type;
    if (stale && members !== undefined) {
      throw new MedicError('conflict', `Target ${targetId} was changed at the same time`);
    }
    const after = { ...locked, ...plain, ...configured };
    const changedFields = changedIn({ ...plain, ...configured }, locked).filter(
      (name) => name !== 'destination',
    );
    await store.update(tx, after);
    await recordEdit(tx, context, {
      entity: 'target',
      entityId: targetId,
      serviceId,
      action: 'update',
      changedFields: [...new Set(changedFields.map((name) => (name === 'address' ? 'config' : name)))],
      actor,
      at: context.clock.now(),
    });
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
    if (!(await store.remove(tx, serviceId, targetId))) throw unknownTarget(targetId);
    const at = context.clock.now();
    const edit = { entity: 'target', entityId: targetId, serviceId, action: 'delete' } as const;
    await recordEdit(tx, context, { ...edit, changedFields: [], actor, at });
  });
}

/** Throws `not_found`. */
export async function findTarget(
  { db }: Pick<TargetContext, 'db'>,
  serviceId: number,
  targetId: number,
): Promise<TargetRow> {
  const target = await store.find(db, serviceId, targetId);
  if (target === undefined) throw unknownTarget(targetId);
  return target;
}

export function unknownService(serviceId: number): MedicError {
  return new MedicError('not_found', `Service ${serviceId} not found`);
}

function unknownTarget(targetId: number): MedicError {
  return new MedicError('not_found', `Target ${targetId} not found`);
}
