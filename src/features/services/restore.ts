import type { Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { mute, unmute } from '../alerts/mute.ts';
import { nameKey } from '../heartbeats/name.ts';
import { type expectationOf, lockService, watch } from '../heartbeats/watch.ts';
import type { Author, Deed } from './author.ts';
import { applySettings, type ManageContext } from './manage.ts';
import { ruleOf } from './resource.ts';
import type { Settings } from './settings.ts';
import { changedFields } from './snapshot-kind.ts';
import { recordCreation, remember } from './snapshots.ts';
import type { ServiceRow } from './store.ts';
import * as store from './store.ts';
import * as snapshots from './store-snapshots.ts';

/**
 * Gives a service back what a snapshot kept; a deleted one comes back with its id, name and ping key (spec 06
 * section 10). Throws `not_found` for an unknown snapshot, `bad_request` for one that was restored before, and
 * `conflict` when the name is taken or the state cannot be given back.
 * In: a snapshot. Out: the service as it was, its mute, a snapshot of the state until now, an audit entry.
 * Crash: one transaction.
 */
export function restore(
  context: ManageContext,
  snapshotId: number,
  by: Author,
): Promise<snapshots.SnapshotRow> {
  const at = context.clock.now();
  return context.db.transaction(async (tx) => {
    const snapshot = await snapshots.lock(tx, snapshotId);
    if (snapshot === undefined) throw new MedicError('not_found', `Snapshot ${snapshotId} not found`);
    if (snapshot.restored_at !== null)
      throw new MedicError('bad_request', `Snapshot ${snapshotId} has already been restored`);
    const { service_id: serviceId, snapshot_data: data, ping_key: pingKey } = snapshot;
    const before = (await lockService(tx, serviceId)) ? await store.findById(tx, serviceId, at) : undefined;
    if (before !== undefined) await giveBack(tx, context, before, data, { by, at });
    else if (pingKey !== null) await bringBack(tx, { serviceId, pingKey, data }, { by, at });
    else
      throw new MedicError(
        'conflict',
        `Service ${serviceId} is deleted: restore the snapshot of its deletion`,
      );
    await restoreMute(tx, context, serviceId, before, data, at);
    return snapshots.markRestored(tx, snapshotId, { at, by: by.actor });
  });
}

/** To a service that exists. */
async function giveBack(
  tx: Transaction,
  context: ManageContext,
  before: ServiceRow,
  data: snapshots.SnapshotData,
  deed: Deed,
): Promise<void> {
  const settings = store.settingsIn(before);
  const after = await withReferences(tx, { ...settings, ...store.settingsIn(data) });
  requireRule({ ...before, ...after });
  const fields = changedFields(settings, after);
  const muteChanges = before.mute_until?.getTime() !== muteEnd(data, deed.at)?.getTime();
  await remember(
    tx,
    before,
    { kind: 'restore', action: 'update', fields: muteChanges ? [...fields, 'muted'] : fields },
    deed,
  );
  await applySettings(tx, context, before, after, deed.at);
}

/** A service that was deleted, without its events. */
async function bringBack(
  tx: Transaction,
  gone: { serviceId: number; pingKey: string; data: snapshots.SnapshotData },
  deed: Deed,
): Promise<void> {
  const { serviceId, pingKey, data } = gone;
  const settings = await withReferences(tx, store.settingsIn(data));
  const id = await store.insert(tx, {
    serviceId,
    heartbeatName: data.heartbeat_name,
    nameKey: nameKey(data.heartbeat_name),
    pingKey,
    settings,
    added: new Date(data.date_added),
    at: deed.at,
  });
  if (id === undefined)
    throw new MedicError('conflict', `${data.heartbeat_name} is taken by another service`);
  const expectation = requireRule({ ...settings, monitoring_since: deed.at });
  await watch(tx, serviceId, settings.active, expectation);
  await recordCreation(tx, serviceId, Object.keys(settings), deed);
}

async function restoreMute(
  tx: Transaction,
  context: ManageContext,
  serviceId: number,
  before: ServiceRow | undefined,
  data: snapshots.SnapshotData,
  at: Date,
): Promise<void> {
  const until = muteEnd(data, at);
  if (until !== undefined) {
    const since = data.date_muted === null ? at : new Date(data.date_muted);
    await mute(tx, { serviceId, at: since, until, reason: data.mute_reason });
  } else if (before !== undefined && before.mute_until !== null) {
    await unmute(tx, context, [serviceId], at);
  }
}

/** A team or schedule that was deleted meanwhile is gone from its services, too. */
async function withReferences(tx: Transaction, settings: Settings): Promise<Settings> {
  const missing = await store.missingReference(tx, settings);
  return missing === undefined ? settings : withReferences(tx, { ...settings, [missing]: null });
}

/** Until when a service is muted again; a mute that has ended meanwhile is not restored. */
function muteEnd({ mute_until: until }: snapshots.SnapshotData, at: Date): Date | undefined {
  const end = until === null ? undefined : new Date(until);
  return end !== undefined && end > at ? end : undefined;
}

/** What was stored under older rules may not be evaluable any more. */
function requireRule(row: Parameters<typeof ruleOf>[0]): ReturnType<typeof expectationOf> {
  const rule = ruleOf(row);
  if (rule === null)
    throw new MedicError('conflict', 'The cron expression of the snapshot cannot be evaluated any more');
  return rule;
}
