/**
 * Registers, changes, mutes and removes services.
 * In: a validated request. Out: services, what follows for state, alerts and mutes, snapshots and audit entries.
 * Crash: each verb is one transaction.
 */
import { randomUUID } from 'node:crypto';
import type { DatabasePool, Transaction } from '../../platform/db.ts';
import { invalid, MedicError } from '../../platform/errors.ts';
import { closeAlertsOf } from '../alerts/close.ts';
import type { AlertContext } from '../alerts/context.ts';
import { keepNames, mute, unmute } from '../alerts/mute.ts';
import { forgetLater } from '../heartbeats/forget.ts';
import { nameKey } from '../heartbeats/name.ts';
import { adapt, expectationOf, lockService, watch } from '../heartbeats/watch.ts';
import { removeTargetsOf } from '../routing/targets.ts';
import { removeWebhooksOf } from '../routing/webhooks.ts';
import { lockWindowsOf, removeEmptyWindows } from '../routing/windows.ts';
import type { Author, Deed } from './author.ts';
import {
  columnsOf,
  type Input,
  type Settings,
  settingsAfter,
  settingsOf,
  startsAfresh,
  storedName,
} from './settings.ts';
import { changedFields, kindOf, type SnapshotKind } from './snapshot-kind.ts';
import { recordCreation, remember } from './snapshots.ts';
import type { ServiceRow } from './store.ts';
import * as store from './store.ts';

export interface ManageContext extends AlertContext {
  db: DatabasePool;
  /** `ALERT_AUTO_UNMUTE_HOURS`: the length of a mute that names none. */
  autoUnmuteHours: number;
}

export interface Registration extends Input {
  heartbeat_name: string;
  service_name: string;
  environment?: string;
}

/**
 * Registers a service, or finds the one that has its name already; nothing is changed then.
 * Throws `bad_request` for members that contradict each other.
 */
export async function register(
  context: ManageContext,
  registration: Registration,
  by: Author,
): Promise<{ created: boolean; service: ServiceRow }> {
  const { heartbeat_name, environment, ...input } = registration;
  const heartbeatName = storedName(heartbeat_name, environment);
  const at = context.clock.now();
  const settings = settingsOf(input, at);
  const key = nameKey(heartbeatName);
  const created = await context.db.transaction(async (tx) => {
    await requireReferences(tx, settings);
    const id = await store.insert(tx, {
      heartbeatName,
      nameKey: key,
      pingKey: randomUUID(),
      settings,
      at,
    });
    if (id === undefined) return false;
    await watch(tx, id, settings.active, expectationOf({ ...settings, monitoring_since: at }));
    await recordCreation(tx, id, ['heartbeat_name', ...Object.keys(columnsOf(input))], { by, at });
    return true;
  });
  const service = await store.findByNameKey(context.db, key, at);
  // Deleted again in between: rare enough to ask the caller to repeat it.
  if (service === undefined)
    throw new MedicError('conflict', `${heartbeatName} was changed at the same time`);
  return { created, service };
}

export interface Change extends Input {
  /** v1 only: mutes for the default length, or unmutes. */
  muted?: boolean;
}

/** Changes the given members of a service. Throws `not_found` and `bad_request`. */
export function change(
  context: ManageContext,
  serviceId: number,
  input: Change,
  by: Author,
): Promise<ServiceRow> {
  const deed = { by, at: context.clock.now() };
  return changing(context, serviceId, deed.at, (tx, before) =>
    changeLocked(tx, context, before, input, deed),
  );
}

/** As `change`, for a service that the caller has locked. @param as what it is kept as, if not by what it changes. */
export async function changeLocked(
  tx: Transaction,
  context: ManageContext,
  before: ServiceRow,
  input: Change,
  deed: Deed,
  as?: SnapshotKind,
): Promise<void> {
  const { muted, ...settings } = input;
  const { service_id: serviceId } = before;
  const { at } = deed;
  const settingsBefore = store.settingsIn(before);
  const columns = columnsOf(settings);
  await requireReferences(tx, columns);
  const after = settingsAfter(settingsBefore, columns, at);
  const mutes = muted === true || (muted === false && before.mute_until !== null);
  const fields = [...changedFields(settingsBefore, after), ...(mutes ? ['muted'] : [])];
  const kind = as ?? kindOf(fields, { active: after.active, muted: muted === true });
  if (kind !== null) await remember(tx, before, { kind, action: 'update', fields }, deed);
  await applySettings(tx, context, before, after, at);
  if (muted === true) await mute(tx, { serviceId, at, until: defaultEnd(context, at), reason: null });
  if (muted === false) await unmute(tx, context, [serviceId], at);
}

/** Writes the configuration of a service and what follows from it for its state and alerts. */
export async function applySettings(
  tx: Transaction,
  context: ManageContext,
  before: ServiceRow,
  after: Settings,
  at: Date,
): Promise<void> {
  const { service_id: serviceId } = before;
  const monitoringSince = startsAfresh(before, after) ? at : before.monitoring_since;
  await store.update(tx, before, after, { modified: at, monitoringSince });
  if (before.active && !after.active) await closeAlertsOf(tx, context, serviceId, 'deactivated', at);
  await adapt(tx, context, serviceId, at);
}

/** Removes a service with its events; its alerts stay, closed, with its last names. Throws `not_found`. */
export async function remove(context: ManageContext, serviceId: number, by: Author): Promise<void> {
  const at = context.clock.now();
  await context.db.transaction(async (tx) => {
    await lockWindowsOf(tx, [serviceId]);
    const known = await lockService(tx, serviceId);
    await store.lock(tx, [serviceId]);
    const before = known ? await store.findById(tx, serviceId, at) : undefined;
    if (before === undefined) throw unknown(serviceId);
    await removeLocked(tx, context, before, { by, at });
  });
}

/** As `remove`, for a service that the caller has locked with its row, after the windows that name it. */
export async function removeLocked(
  tx: Transaction,
  context: ManageContext,
  before: ServiceRow,
  deed: Deed,
): Promise<void> {
  const { service_id: serviceId } = before;
  const { at } = deed;
  await remember(tx, before, { kind: 'delete', action: 'delete', fields: [] }, deed);
  await closeAlertsOf(tx, context, serviceId, 'deleted', at);
  await keepNames(tx, serviceId);
  await forgetLater(tx, serviceId, at);
  await removeTargetsOf(tx, context, serviceId, deed.by.actor);
  await removeWebhooksOf(tx, context, serviceId, deed.by.actor);
  await store.remove(tx, serviceId);
  await removeEmptyWindows(tx, context);
}

/** Until when, and why; without an end for `ALERT_AUTO_UNMUTE_HOURS`. */
export interface MuteRequest {
  until: Date | undefined;
  reason: string | null;
}

/** Mutes a service. Throws `not_found`. */
export function muteService(
  context: ManageContext,
  serviceId: number,
  request: MuteRequest,
  deed: Deed,
): Promise<ServiceRow> {
  return changing(context, serviceId, deed.at, (tx, before) =>
    muteLocked(tx, context, before, request, deed),
  );
}

export async function muteLocked(
  tx: Transaction,
  context: ManageContext,
  before: ServiceRow,
  request: MuteRequest,
  deed: Deed,
  as: SnapshotKind = 'mute',
): Promise<void> {
  const { service_id: serviceId } = before;
  const { at } = deed;
  await remember(tx, before, { kind: as, action: 'update', fields: ['muted'] }, deed);
  const until = request.until ?? defaultEnd(context, at);
  await mute(tx, { serviceId, at, until, reason: request.reason });
  await store.touch(tx, serviceId, at);
}

export function unmuteService(context: ManageContext, serviceId: number, deed: Deed): Promise<ServiceRow> {
  return changing(context, serviceId, deed.at, (tx, before) => unmuteLocked(tx, context, before, deed));
}

export async function unmuteLocked(
  tx: Transaction,
  context: ManageContext,
  before: ServiceRow,
  deed: Deed,
  as?: SnapshotKind,
): Promise<void> {
  const { service_id: serviceId } = before;
  const { at } = deed;
  const fields = before.mute_until === null ? [] : ['muted'];
  const kind = as ?? kindOf(fields, { active: before.active, muted: false });
  if (kind !== null) await remember(tx, before, { kind, action: 'update', fields }, deed);
  await unmute(tx, context, [serviceId], at);
  await store.touch(tx, serviceId, at);
}

/** Gives a service a new ping key. Throws `not_found`. */
export async function rotatePingKey(
  context: ManageContext,
  serviceId: number,
  by: Author,
): Promise<ServiceRow> {
  const at = context.clock.now();
  return changing(context, serviceId, at, async (tx, before) => {
    // A snapshot does not give back ping keys, so there is none to take.
    await remember(tx, before, { kind: null, action: 'update', fields: ['ping_key'] }, { by, at });
    await store.setPingKey(tx, serviceId, randomUUID(), at);
  });
}

/** Runs a change under the lock of the service, and reads the result in the same transaction. */
function changing(
  context: ManageContext,
  serviceId: number,
  at: Date,
  work: (tx: Transaction, before: ServiceRow) => Promise<void>,
): Promise<ServiceRow> {
  return context.db.transaction(async (tx) => {
    const known = await lockService(tx, serviceId);
    const before = known ? await store.findById(tx, serviceId, at) : undefined;
    if (before === undefined) throw unknown(serviceId);
    await work(tx, before);
    return (await store.findById(tx, serviceId, at)) ?? before;
  });
}

/** Throws `bad_request` for a team or schedule that does not exist; one that does stays until the commit. */
async function requireReferences(
  tx: Transaction,
  { team_id, schedule_id }: Partial<Settings>,
): Promise<void> {
  const given = { team_id: team_id ?? null, schedule_id: schedule_id ?? null };
  const missing = await store.missingReference(tx, given);
  if (missing !== undefined) throw invalid(missing, `${given[missing]} does not exist`);
}

export function unknown(serviceId: number): MedicError {
  return new MedicError('not_found', `Service ${serviceId} not found`);
}

function defaultEnd(context: ManageContext, at: Date): Date {
  return new Date(at.getTime() + context.autoUnmuteHours * 3_600_000);
}
