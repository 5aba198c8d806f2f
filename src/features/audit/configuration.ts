/**
 * What every verb that changes a configuration needs.
 * In: what was just changed. Out: an entry in the audit log (spec 06 section 9), and a line in the log after the commit.
 * Crash: the entry is committed with its change, or neither is.
 */
import type { Clock } from '../../platform/clock.ts';
import { type DatabasePool, isDuplicate, type Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { Entity } from './entry.ts';
import { recordEntry } from './record.ts';

export interface ManageContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
}

export interface Change {
  /** The part of Medic that it belongs to, for the log. */
  feature: string;
  entity: Entity;
  entityId: number;
  /** The service and the playbook that it belongs to, where it belongs to one. */
  serviceId?: number | null;
  playbookId?: number | null;
  action: 'create' | 'update' | 'delete';
  /** Names of the members that changed, never their values. */
  fields: readonly string[];
  actor: string;
}

/** The one place that every change passes, in its transaction. */
export async function recordConfiguration(
  tx: Transaction,
  { clock, log }: Pick<ManageContext, 'clock' | 'log'>,
  change: Change,
): Promise<void> {
  const { feature, entity, entityId, serviceId = null, playbookId = null, action, fields, actor } = change;
  const details = { entity, entity_id: entityId, action, changed_fields: fields };
  await recordEntry(tx, {
    action: 'config_changed',
    actor,
    at: clock.now(),
    serviceId,
    playbookId,
    details,
  });
  tx.afterCommit(() => {
    named(log, feature).info({ ...details, actor }, 'configuration changed');
  });
}

/** The names of the members whose values differ. */
export function changedMembers<T extends object>(before: T, after: T): string[] {
  return (Object.keys(after) as (keyof T & string)[]).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
}

/** Runs a write that a name which is taken refuses. Throws `conflict`. */
export async function unlessTaken<T>(entity: Entity, name: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (isDuplicate(error)) {
      throw new MedicError('conflict', `A ${wordsOf(entity)} named ${name} exists already`);
    }
    throw error;
  }
}

export function unknown(entity: Entity, id: number): MedicError {
  const [first = '', ...rest] = wordsOf(entity);
  return new MedicError('not_found', `${first.toUpperCase()}${rest.join('')} ${id} not found`);
}

function wordsOf(entity: Entity): string {
  return entity.replace('_', ' ');
}
