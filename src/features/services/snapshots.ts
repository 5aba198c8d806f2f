import { inBatches } from '../../platform/daily.ts';
import type { Database, Transaction } from '../../platform/db.ts';
import { recordEntry } from '../audit/record.ts';
import type { Deed } from './author.ts';
import type { SnapshotKind } from './snapshot-kind.ts';
import { type ServiceRow, settingsIn } from './store.ts';
import * as store from './store-snapshots.ts';

/** A change that is about to be made to a service. */
export interface Change {
  /** Null: nothing that a snapshot keeps changes. */
  kind: SnapshotKind | null;
  action: 'update' | 'delete';
  /** Names of the members that change. */
  fields: readonly string[];
}

/**
 * Keeps the state of a service before a change, and tells of the change (spec 06 sections 9 and 10).
 * In: the service as it is, its lock held by the caller. Out: a snapshot, an audit entry.
 * Crash: both are in the transaction of the change: it fails with them.
 */
export async function remember(
  tx: Transaction,
  before: ServiceRow,
  { kind, action, fields }: Change,
  { by, at }: Deed,
): Promise<void> {
  const { service_id: serviceId } = before;
  const snapshotId =
    kind === null
      ? null
      : await store.insert(tx, {
          serviceId,
          kind,
          data: stateOf(before),
          pingKey: kind === 'delete' ? before.ping_key : null,
          actor: by.actor,
          note: by.note,
          at,
        });
  await recordEntry(tx, {
    action: 'config_changed',
    actor: by.actor,
    at,
    serviceId,
    details: {
      entity: 'service',
      entity_id: serviceId,
      action,
      changed_fields: fields,
      ...(snapshotId === null ? {} : { snapshot_id: snapshotId }),
    },
  });
}

/** Tells of a service that was just made. */
export function recordCreation(
  tx: Transaction,
  serviceId: number,
  fields: readonly string[],
  { by, at }: Deed,
): Promise<void> {
  return recordEntry(tx, {
    action: 'config_changed',
    actor: by.actor,
    at,
    serviceId,
    details: { entity: 'service', entity_id: serviceId, action: 'create', changed_fields: fields },
  });
}

function stateOf(row: ServiceRow): store.SnapshotData {
  return {
    heartbeat_name: row.heartbeat_name,
    ...settingsIn(row),
    muted: row.mute_until !== null,
    date_muted: row.muted_at?.toISOString() ?? null,
    mute_until: row.mute_until?.toISOString() ?? null,
    mute_reason: row.mute_reason,
    down: row.alert_id !== null,
    date_added: row.date_added.toISOString(),
  };
}

/** Removes snapshots past `MEDIC_HISTORY_RETENTION_DAYS`. */
export function retainSnapshots(db: Database, before: Date): Promise<number> {
  return inBatches((limit) => store.deleteBefore(db, before, limit));
}
