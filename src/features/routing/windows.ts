/**
 * Manages maintenance windows (spec 04 section 6).
 * In: a validated request. Out: a window with its services; whatever it held back is judged anew.
 * Crash: each verb is one transaction.
 */
import { CronError, parseCron } from '../../platform/cron.ts';
import type { Transaction } from '../../platform/db.ts';
import { invalid } from '../../platform/errors.ts';
import { parseInstant } from '../../platform/time.ts';
import { changedMembers, type ManageContext, recordChange, unknown, unlessTaken } from './context.ts';
import * as store from './store-windows.ts';
import { zoneOf } from './zone.ts';

export interface WindowContext extends ManageContext {
  /** Has the services judged at an instant whose alerts a window holds back. */
  judgeHeld: (tx: Transaction, windowId: number, at: Date) => Promise<void>;
}

export interface WindowInput {
  name?: string;
  start_time?: string;
  end_time?: string;
  recurrence?: string | null;
  timezone?: string;
  /** Empty: all services. */
  service_ids?: readonly number[];
}

const ENTITY = 'maintenance_window';
const DEFAULTS = { recurrence: null, timezone: 'UTC', all_services: true, service_ids: [] };
/** The instants that PostgreSQL, JavaScript and ISO 8601 write alike. */
const FIRST = new Date('1970-01-01T00:00:00Z');
const LAST = new Date('9999-12-31T00:00:00Z');

/** Throws `conflict` when the name is taken, in any letter case, and `bad_request`. */
export function createWindow(
  context: WindowContext,
  input: WindowInput & { name: string; start_time: string; end_time: string },
  actor: string,
): Promise<store.WindowRow> {
  const { name } = input;
  const starts_at = instantIn('start_time', input.start_time);
  const ends_at = instantIn('end_time', input.end_time);
  const settings = settingsAfter({ ...DEFAULTS, name, starts_at, ends_at }, input, context.clock.now());
  return context.db.transaction(async (tx) => {
    await requireServices(tx, settings.service_ids);
    const windowId = await unlessTaken(ENTITY, name, () => store.insert(tx, settings));
    await store.setServices(tx, windowId, settings.service_ids);
    const fields = Object.keys(input);
    await recordChange(tx, context, { entity: ENTITY, entityId: windowId, action: 'create', fields, actor });
    return { ...settings, window_id: windowId, revision: 1 };
  });
}

/** Throws `not_found`, `conflict` when the name is taken, and `bad_request`. */
export function changeWindow(
  context: WindowContext,
  windowId: number,
  input: WindowInput,
  actor: string,
): Promise<store.WindowRow> {
  const at = context.clock.now();
  return context.db.transaction(async (tx) => {
    const before = await store.lock(tx, windowId);
    if (before === undefined) throw unknown(ENTITY, windowId);
    const after = settingsAfter(before, input, at);
    const fields = membersIn(changedMembers<store.WindowSettings>(before, after));
    if (fields.length === 0) return before;
    // Before the services are locked: whoever deletes one holds its state row already.
    await context.judgeHeld(tx, windowId, at);
    if (fields.includes('service_ids')) {
      await requireServices(tx, after.service_ids);
      await store.setServices(tx, windowId, after.service_ids);
    }
    await unlessTaken(ENTITY, after.name, () => store.update(tx, windowId, after));
    await recordChange(tx, context, { entity: ENTITY, entityId: windowId, action: 'update', fields, actor });
    return { ...after, window_id: windowId, revision: before.revision + 1 };
  });
}

/** Throws `not_found`. */
export function removeWindow(context: WindowContext, windowId: number, actor: string): Promise<void> {
  const at = context.clock.now();
  return context.db.transaction(async (tx) => {
    if (!(await store.remove(tx, windowId))) throw unknown(ENTITY, windowId);
    await context.judgeHeld(tx, windowId, at);
    await recordChange(tx, context, {
      entity: ENTITY,
      entityId: windowId,
      action: 'delete',
      fields: [],
      actor,
    });
  });
}

/**
 * Before services are deleted: locks the windows that name them. To be called before their state rows are locked, the
 * order in which a changed window takes both.
 */
export const lockWindowsOf = store.lockNaming;

/**
 * After services were deleted: a window that named nobody else goes with them. Empty, it would read as one for all
 * services.
 */
export async function removeEmptyWindows(
  tx: Transaction,
  context: Pick<WindowContext, 'clock' | 'log'>,
): Promise<void> {
  for (const entityId of await store.removeEmpty(tx)) {
    const actor = 'system:last-service-deleted';
    await recordChange(tx, context, { entity: ENTITY, entityId, action: 'delete', fields: [], actor });
  }
}

/** The members of requests that columns stand for. */
function membersIn(columns: readonly string[]): string[] {
  const names: Record<string, string> = {
    starts_at: 'start_time',
    ends_at: 'end_time',
    all_services: 'service_ids',
  };
  return [...new Set(columns.map((column) => names[column] ?? column))];
}

function settingsAfter(before: store.WindowSettings, input: WindowInput, now: Date): store.WindowSettings {
  const { name, start_time, end_time, recurrence, timezone, service_ids } = input;
  const after = { ...before };
  if (name !== undefined) after.name = name;
  if (start_time !== undefined) after.starts_at = instantIn('start_time', start_time);
  if (end_time !== undefined) after.ends_at = instantIn('end_time', end_time);
  if (timezone !== undefined) after.timezone = zoneOf(timezone);
  if (recurrence !== undefined) after.recurrence = recurrence;
  if (service_ids !== undefined) {
    after.service_ids = [...new Set(service_ids)].sort((a, b) => a - b);
    after.all_services = service_ids.length === 0;
  }
  if (after.ends_at <= after.starts_at) {
    throw invalid(
      end_time === undefined && start_time !== undefined ? 'start_time' : 'end_time',
      'end_time must lie after start_time',
    );
  }
  // What was accepted before stays, even when its last occurrence has passed.
  if (after.recurrence !== before.recurrence || after.timezone !== before.timezone)
    requireRecurrence(after, now);
  return after;
}

function requireRecurrence({ recurrence, timezone }: store.WindowSettings, now: Date): void {
  if (recurrence === null) return;
  try {
    parseCron(recurrence, timezone, now);
  } catch (error) {
    if (error instanceof CronError) throw invalid('recurrence', error.message);
    throw error;
  }
}

function instantIn(member: string, text: string): Date {
  const instant = parseInstant(text);
  if (instant === undefined) throw invalid(member, 'must be a time such as 2026-03-08T08:00:00Z');
  if (instant < FIRST || instant > LAST) throw invalid(member, 'must lie between 1970 and 9999');
  return instant;
}

async function requireServices(tx: Transaction, serviceIds: readonly number[]): Promise<void> {
  const known = new Set(await store.keepServices(tx, serviceIds));
  const missing = serviceIds.find((id) => !known.has(id));
  if (missing !== undefined) throw invalid('service_ids', `${missing} does not exist`);
}
