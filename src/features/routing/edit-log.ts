import type { Transaction } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { Entity } from '../audit/entry.ts';
import { recordEntry } from '../audit/record.ts';

/** A change of what is configured. */
export interface Edit {
  entity: Entity;
  entityId: number;
  serviceId: number | null;
  action: 'create' | 'update' | 'delete';
  /** Names of members, never their values. */
  changedFields: readonly string[];
  actor: string;
  at: Date;
}

/** Records a change in the audit log, in its transaction (spec 06 section 9), and tells of it once it is committed. */
export async function recordEdit(tx: Transaction, { log }: { log: Logger }, edit: Edit): Promise<void> {
  const { entity, entityId, serviceId, action, changedFields, actor, at } = edit;
  await recordEntry(tx, {
    action: 'config_changed',
    actor,
    at,
    serviceId,
    details: { entity, entity_id: entityId, action, changed_fields: changedFields },
  });
  tx.afterCommit(() => {
    named(log, 'routing').info({ entity, entity_id: entityId, action, actor }, 'configuration changed');
  });
}

/** Names of the members of `given` whose values are not those of `before`. */
export function changedIn(given: object, before: object): string[] {
  return Object.keys(given).filter(
    (member) =>
      JSON.stringify((given as Record<string, unknown>)[member]) !==
      JSON.stringify((before as Record<string, unknown>)[member]),
  );
}
