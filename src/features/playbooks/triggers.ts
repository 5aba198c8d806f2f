/**
 * Manages what starts playbooks by itself (spec 06 section 2).
 * In: the triggers in the text of a playbook, or one from a caller. Out: triggers, and what the audit log keeps.
 * Crash: each verb is one transaction, or part of one.
 */
import type { Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { changedMembers, unknown } from '../audit/configuration.ts';
import { type ManageContext, recordChange } from './context.ts';
import { MAX_TRIGGERS } from './limits.ts';
import { type Playbook, type TriggerDefinition, triggersOf } from './playbook.ts';
import { lock } from './store.ts';
import * as store from './store-triggers.ts';

const MEMBERS = ['service_pattern', 'consecutive_failures', 'enabled'] as const;

/**
 * Makes the triggers of the text those of the playbook; others stay. One that says the same as before stays the same
 * trigger, so that it does not start the playbook once more for an alert for which it has.
 */
export async function replaceTriggers(
  tx: Transaction,
  context: ManageContext,
  { playbookId, playbook, actor }: { playbookId: number; playbook: Playbook; actor: string },
): Promise<void> {
  const left = await store.managedBy(tx, playbookId, 'yaml');
  const added: TriggerDefinition[] = [];
  for (const definition of triggersOf(playbook)) {
    const same = left.findIndex((row) => MEMBERS.every((name) => row[name] === definition[name]));
    if (same === -1) added.push(definition);
    else left.splice(same, 1);
  }
  for (const { trigger_id } of left) await removeOne(tx, context, { playbookId, trigger_id, actor });
  await demandRoom(tx, playbookId, added.length);
  for (const definition of added) {
    await insertOne(tx, context, { ...definition, playbook_id: playbookId, managed_by: 'yaml' }, actor);
  }
}

/** Removes all of a playbook that is about to be removed. */
export async function dropTriggers(
  tx: Transaction,
  context: ManageContext,
  playbookId: number,
  actor: string,
): Promise<void> {
  for (const manager of store.MANAGERS) {
    for (const { trigger_id } of await store.managedBy(tx, playbookId, manager)) {
      await removeOne(tx, context, { playbookId, trigger_id, actor });
    }
  }
}

/** Throws `not_found`, and `conflict` when the playbook has as many as possible. */
export function createTrigger(
  context: ManageContext,
  playbookId: number,
  {
    service_pattern,
    consecutive_failures = 1,
    enabled = true,
  }: Partial<TriggerDefinition> & { service_pattern: string },
  actor: string,
): Promise<store.TriggerRow> {
  return context.db.transaction(async (tx) => {
    if (!(await lock(tx, playbookId))) throw unknown('playbook', playbookId);
    await demandRoom(tx, playbookId, 1);
    const definition = { service_pattern, consecutive_failures, enabled };
    return insertOne(tx, context, { playbook_id: playbookId, ...definition, managed_by: 'api' }, actor);
  });
}

/** Throws `not_found`, and `conflict` for one that the text of the playbook defines. */
export function changeTrigger(
  context: ManageContext,
  { playbookId, triggerId }: { playbookId: number; triggerId: number },
  input: Partial<TriggerDefinition>,
  actor: string,
): Promise<store.TriggerRow> {
  return context.db.transaction(async (tx) => {
    const before = await changeable(tx, playbookId, triggerId);
    const after = { ...before, ...input };
    const fields = changedMembers(before, after);
    if (fields.length === 0) return before;
    await store.update(tx, after);
    await recordChange(tx, context, { ...about(playbookId, triggerId), action: 'update', fields, actor });
    return after;
  });
}

/** Throws `not_found`, and `conflict` for one that the text of the playbook defines. */
export function removeTrigger(
  context: ManageContext,
  { playbookId, triggerId }: { playbookId: number; triggerId: number },
  actor: string,
): Promise<void> {
  return context.db.transaction(async (tx) => {
    await changeable(tx, playbookId, triggerId);
    await removeOne(tx, context, { playbookId, trigger_id: triggerId, actor });
  });
}

async function changeable(tx: Transaction, playbookId: number, triggerId: number): Promise<store.TriggerRow> {
  if (!(await lock(tx, playbookId))) throw unknown('playbook', playbookId);
  const trigger = await store.find(tx, playbookId, triggerId);
  if (trigger === undefined) throw unknown('trigger', triggerId);
  if (trigger.managed_by === 'yaml') {
    throw new MedicError('conflict', 'The trigger is defined in the YAML of its playbook: change it there');
  }
  return trigger;
}

async function insertOne(
  tx: Transaction,
  context: ManageContext,
  trigger: Omit<store.TriggerRow, 'trigger_id'>,
  actor: string,
): Promise<store.TriggerRow> {
  const trigger_id = await store.insert(tx, trigger);
  const change = { ...about(trigger.playbook_id, trigger_id), action: 'create', fields: MEMBERS } as const;
  await recordChange(tx, context, { ...change, actor });
  return { trigger_id, ...trigger };
}

async function removeOne(
  tx: Transaction,
  context: ManageContext,
  { playbookId, trigger_id, actor }: { playbookId: number; trigger_id: number; actor: string },
): Promise<void> {
  await store.remove(tx, trigger_id);
  await recordChange(tx, context, { ...about(playbookId, trigger_id), action: 'delete', fields: [], actor });
}

async function demandRoom(tx: Transaction, playbookId: number, more: number): Promise<void> {
  if (more === 0 || (await store.count(tx, playbookId)) + more <= MAX_TRIGGERS) return;
  throw new MedicError('conflict', `A playbook can have ${MAX_TRIGGERS} triggers`);
}

function about(playbookId: number, triggerId: number) {
  return { entity: 'trigger', entityId: triggerId, playbookId } as const;
}
