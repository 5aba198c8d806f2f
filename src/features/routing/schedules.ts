/**
 * Manages schedules (spec 04 section 5).
 * In: a validated request. Out: a schedule; its services lose their `schedule_id` when it is removed.
 * Crash: each verb is one transaction.
 */
import { invalid } from '../../platform/errors.ts';
import { changedMembers, type ManageContext, recordChange, unknown, unlessTaken } from './context.ts';
import { type Hours, parseHours, type Range } from './hours.ts';
import * as store from './store-schedules.ts';
import { zoneOf } from './zone.ts';

export type { ScheduleRow } from './store-schedules.ts';

export interface ScheduleInput {
  name?: string;
  timezone?: string;
  /** Day names in any letter case. */
  hours?: Record<string, Range[]>;
}

/** Throws `conflict` when the name is taken, in any letter case, and `bad_request`. */
export function createSchedule(
  context: ManageContext,
  input: ScheduleInput & { name: string; hours: Record<string, Range[]> },
  actor: string,
): Promise<store.ScheduleRow> {
  const { name, timezone = 'UTC' } = input;
  const settings = { name, timezone: zoneOf(timezone), hours: hoursOf(input.hours) };
  return context.db.transaction(async (tx) => {
    const schedule_id = await unlessTaken('schedule', name, () => store.insert(tx, settings));
    await recordChange(tx, context, {
      entity: 'schedule',
      entityId: schedule_id,
      action: 'create',
      fields: Object.keys(input),
      actor,
    });
    return { schedule_id, ...settings };
  });
}

/** Throws `not_found`, `conflict` when the name is taken, and `bad_request`. */
export function changeSchedule(
  context: ManageContext,
  scheduleId: number,
  input: ScheduleInput,
  actor: string,
): Promise<store.ScheduleRow> {
  const { name, timezone, hours } = input;
  const given = {
    ...(name === undefined ? {} : { name }),
    ...(timezone === undefined ? {} : { timezone: zoneOf(timezone) }),
    ...(hours === undefined ? {} : { hours: hoursOf(hours) }),
  };
  return context.db.transaction(async (tx) => {
    const before = await store.lock(tx, scheduleId);
    if (before === undefined) throw unknown('schedule', scheduleId);
    const after = { ...before, ...given };
    const fields = changedMembers(before, after);
    if (fields.length === 0) return before;
    await unlessTaken('schedule', after.name, () => store.update(tx, after));
    await recordChange(tx, context, {
      entity: 'schedule',
      entityId: scheduleId,
      action: 'update',
      fields,
      actor,
    });
    return after;
  });
}

/** Throws `not_found`. */
export function removeSchedule(context: ManageContext, scheduleId: number, actor: string): Promise<void> {
  return context.db.transaction(async (tx) => {
    if (!(await store.remove(tx, scheduleId))) throw unknown('schedule', scheduleId);
    await recordChange(tx, context, {
      entity: 'schedule',
      entityId: scheduleId,
      action: 'delete',
      fields: [],
      actor,
    });
  });
}

function hoursOf(given: Record<string, Range[]>): Hours {
  const parsed = parseHours(given);
  if ('problem' in parsed) throw invalid(parsed.problem.path, parsed.problem.message);
  return parsed.hours;
}
