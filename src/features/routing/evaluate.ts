import { scheduleOf } from '../../platform/cron.ts';
import type { Window } from './window.ts';

/** A window as it is stored. */
interface Stored {
  starts_at: Date;
  ends_at: Date;
  recurrence: string | null;
  timezone: string;
}

/** The rule of a stored window. Throws CronError for a recurrence that cannot be evaluated. */
export function windowOf({ starts_at: startsAt, ends_at: endsAt, recurrence, timezone }: Stored): Window {
  const schedule = recurrence === null ? null : scheduleOf(recurrence, timezone);
  return { startsAt, endsAt, next: schedule === null ? null : (after) => schedule.next(after) };
}
