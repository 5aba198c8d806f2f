import type { Clock } from '../../platform/clock.ts';
import { type DatabasePool, isDuplicate, type Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { type Logger, named } from '../../platform/logging.ts';

/** What the verbs that manage teams, schedules and windows need. */
export interface ManageContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
}

export type Noun = 'team' | 'schedule' | 'maintenance window';

/** A change of the configuration, told once it is committed. */
export interface Change {
  entity: Noun;
  entityId: number;
  action: 'create' | 'update' | 'delete';
  actor: string;
}

/** The one place that every change of this feature passes, in its transaction. */
export function recordChange(tx: Transaction, { log }: ManageContext, change: Change): void {
  const { entity, entityId, action, actor } = change;
  tx.afterCommit(() => {
    named(log, 'routing').info({ entity, entity_id: entityId, action, actor }, 'configuration changed');
  });
}

/** Runs a write that a name which is taken refuses. Throws `conflict`. */
export async function unlessTaken<T>(noun: Noun, name: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (isDuplicate(error)) throw new MedicError('conflict', `A ${noun} named ${name} exists already`);
    throw error;
  }
}

export function unknown(noun: Noun, id: number): MedicError {
  const subject = noun.slice(0, 1).toUpperCase() + noun.slice(1);
  return new MedicError('not_found', `${subject} ${id} not found`);
}
