import type { Transaction } from '../../platform/db.ts';
import { invalid } from '../../platform/errors.ts';
import { lockServices } from '../heartbeats/watch.ts';
import { lockWindowsOf } from '../routing/windows.ts';
import type { Author, Deed } from './author.ts';
import { type BULK_ACTIONS, PRIORITIES } from './fields.ts';
import {
  changeLocked,
  type ManageContext,
  type MuteRequest,
  muteLocked,
  removeLocked,
  unknown,
  unmuteLocked,
} from './manage.ts';
import { muteEnd } from './mute-request.ts';
import type { ServiceRow } from './store.ts';
import * as store from './store.ts';

/** What an action is to do: a priority, a team, or the length of a mute, alone or with its reason. */
export type BulkValue = string | number | { duration?: string | number; until?: string; reason?: string };

export interface BulkRequest {
  service_ids: readonly number[];
  action: (typeof BULK_ACTIONS)[number];
  value?: BulkValue;
}

/**
 * One change for many services.
 * In: services, locked in the order of their ids. Out: as the single change, and one snapshot, for each.
 * Crash: one transaction.
 * Throws `not_found` when one of them is unknown, and `bad_request`; nothing is changed then.
 * @returns the ids, each once, in order.
 */
export async function changeMany(
  context: ManageContext,
  request: BulkRequest,
  by: Author,
): Promise<number[]> {
  const at = context.clock.now();
  const apply = applierOf(context, request, { by, at });
  const ids = [...new Set(request.service_ids)].sort((a, b) => a - b);
  await context.db.transaction(async (tx) => {
    if (request.action === 'delete') await lockWindowsOf(tx, ids);
    const known = new Set(await lockServices(tx, ids));
    const missing = ids.find((id) => !known.has(id));
    if (missing !== undefined) throw unknown(missing);
    if (request.action === 'delete') await store.lock(tx, ids);
    for (const service of await store.listByIds(tx, ids, at)) await apply(tx, service);
  });
  return ids;
}

type Apply = (tx: Transaction, before: ServiceRow) => Promise<void>;

/** What all changes of the request but deletions are kept as. */
const AS = 'bulk_edit';

function applierOf(context: ManageContext, { action, value }: BulkRequest, deed: Deed): Apply {
  const changing =
    (input: Parameters<typeof changeLocked>[3]): Apply =>
    (tx, before) =>
      changeLocked(tx, context, before, input, deed, AS);
  switch (action) {
    case 'mute': {
      const request = muteOf(value, deed.at);
      return (tx, before) => muteLocked(tx, context, before, request, deed, AS);
    }
    case 'set_priority':
      return changing({ priority: priorityOf(value) });
    case 'set_team':
      return changing({ team: teamOf(value) });
  }
  if (value !== undefined) throw invalid('value', `is not taken by the action ${action}`);
  switch (action) {
    case 'unmute':
      return (tx, before) => unmuteLocked(tx, context, before, deed, AS);
    case 'activate':
      return changing({ active: true });
    case 'deactivate':
      return changing({ active: false });
    case 'delete':
      return (tx, before) => removeLocked(tx, context, before, deed);
  }
}

function muteOf(value: BulkValue | undefined, at: Date): MuteRequest {
  const { reason, ...end } =
    typeof value === 'object' ? value : value === undefined ? {} : { duration: value };
  return { until: muteEnd(end, at), reason: reason ?? null };
}

function priorityOf(value: BulkValue | undefined): string {
  const priority = PRIORITIES.find((one) => typeof value === 'string' && one === value.toLowerCase());
  if (priority === undefined) throw invalid('value', `must be one of ${PRIORITIES.join(', ')}`);
  return priority;
}

function teamOf(value: BulkValue | undefined): string {
  if (typeof value !== 'string') throw invalid('value', 'must be the name of a team');
  return value;
}
