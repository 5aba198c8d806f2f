import type { Clock } from '../../platform/clock.ts';
import { type DatabasePool, isDuplicate, type Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { type Logger, named } from '../../platform/logging.ts';
import { recordEntry } from '../audit/record.ts';

/** What the verbs that manage teams, schedules, windows, targets and webhooks need. */
export interface ManageContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
}

export type Entity = 'team' | 'schedule' | 'maintenance_window' | 'target' | 'webhook';

export interface Change {
  entity: Entity;
  entityId: number;
  /** The service that it belongs to, where it belongs to one. */
  serviceId?: number | null;
  action: 'create' | 'update' | 'delete';
  /** Names of the members that changed, never their values. */
  fields: readonly string[];
  actor: string;
}

/**
 * The one place that every change of this feature passes, in its transaction: it is recorded in the audit log
 * (spec 06 section 9), and told once it is committed.
 */
export async function recordChange(
  tx: Transaction,
  { clock, log }: Pick<ManageContext, 'clock' | 'log'>,
  change: Change,
): Promise<void> {
  const { entity, entityId, serviceId = null, action, fields, actor } = change;
  await recordEntry(tx, {
    action: 'config_changed',
    actor,
    at: clock.now(),
    serviceId,
    details: { entity, entity_id: entityId, action, changed_fields: fields },
  });
  tx.afterCommit(() => {
    named(log, 'routing').info(
      { entity, entity_id: entityId, action, changed_fields: fields, actor },
      'configuration changed',
    );
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
