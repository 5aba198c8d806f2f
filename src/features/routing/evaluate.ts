import { scheduleOf } from '../../platform/cron.ts';
import type { WindowRow } from './store-windows.ts';
import type { Window } from './window.ts';

/** The rule of a stored window. Throws CronError for a recurrence that cannot be evaluated. */
export function windowOf(row: Pick<WindowRow, 'starts_at' | 'ends_at' | 'recurrence' | 'timezone'>): Window {
  const { starts_at: startsAt, ends_at: endsAt, recurrence, timezone } = row;
  const schedule = recurrence === null ? null : scheduleOf(recurrence, timezone);
  return { startsAt, endsAt, next: schedule === null ? null : (after) => schedule.next(after) };
}
