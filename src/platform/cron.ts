import { Cron } from 'croner';

/** A cron expression or time zone that cannot be used; the message is for the caller. */
export class CronError extends Error {
  override readonly name = 'CronError';
  /** Which of the two is wrong. */
  readonly subject: 'expression' | 'zone';

  constructor(subject: 'expression' | 'zone', message: string) {
    super(message);
    this.subject = subject;
  }
}

export interface CronSchedule {
  /** The first occurrence strictly after an instant, or null when there is none within the library's horizon. */
  next(after: Date): Date | null;
}

const NICKNAMES: ReadonlySet<string> = new Set(['@hourly', '@daily', '@weekly', '@monthly', '@yearly']);
/** Lists, ranges, steps and names; none of the extensions of the library (L, W, #, ?, seconds). */
const FIELD = /^(?:\*|\w+(?:-\w+)?)(?:\/\d+)?(?:,(?:\*|\w+(?:-\w+)?)(?:\/\d+)?)*$/;
const NAMES = /^(?:\d+|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT)$/i;
const HORIZON_YEARS = 5;

/**
 * A cron expression of five fields in a time zone (spec 01 section 6.2). A local time that daylight saving skips
 * fires at the first instant after the gap; one that exists twice fires once, at its first appearance.
 * Throws CronError for what is malformed, or has no occurrence in the five years after `now`.
 */
export function parseCron(expression: string, timeZone: string, now: Date): CronSchedule {
  const schedule = scheduleOf(expression, timeZone);
  const first = schedule.next(now);
  const horizon = new Date(now);
  horizon.setUTCFullYear(horizon.getUTCFullYear() + HORIZON_YEARS);
  if (first === null || first > horizon) {
    throw new CronError('expression', `has no occurrence in the next ${HORIZON_YEARS} years`);
  }
  return schedule;
}

/** As `parseCron`, for an expression that was accepted before. */
export function scheduleOf(expression: string, timeZone: string): CronSchedule {
  const zone = canonicalZone(timeZone);
  const text = expression.trim();
  checkDialect(text);
  let cron: Cron;
  try {
    cron = new Cron(text, { timezone: 'UTC', mode: '5-part', paused: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : 'is malformed';
    throw new CronError('expression', reason);
  }
  return {
    next(after) {
      // The library walks the calendar of local times, as if they were UTC; what each of them is as an instant
      // never decreases, so the first one after `after` is the next occurrence.
      const local = Temporal.Instant.fromEpochMilliseconds(after.getTime()).toZonedDateTimeISO(zone);
      let wall = cron.nextRun(
        new Date(`${local.toPlainDateTime().toString({ smallestUnit: 'millisecond' })}Z`),
      );
      while (wall !== null) {
        const instant = instantOf(wall, zone);
        if (instant > after) return instant;
        wall = cron.nextRun(wall);
      }
      return null;
    },
  };
}

/** The name of a zone of the IANA database in its own spelling. Throws CronError. */
export function canonicalZone(timeZone: string): string {
  try {
    if (!/^[A-Za-z]/.test(timeZone)) throw new RangeError();
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone;
  } catch {
    throw new CronError('zone', 'is not a time zone of the IANA database');
  }
}

function checkDialect(text: string): void {
  if (text.startsWith('@')) {
    if (!NICKNAMES.has(text.toLowerCase())) {
      throw new CronError('expression', `must be one of ${[...NICKNAMES].join(', ')}, or five fields`);
    }
    return;
  }
  const fields = text.split(/\s+/);
  if (fields.length !== 5) throw new CronError('expression', 'must have five fields');
  for (const field of fields) {
    const words = field.split(/[,/-]/).filter((word) => word !== '*');
    if (!FIELD.test(field) || !words.every((word) => NAMES.test(word))) {
      throw new CronError('expression', `has a field that is malformed: ${field.slice(0, 40)}`);
    }
  }
}

/** The instant of a local time, given as if it were UTC: the first of two, or the first one after a gap. */
function instantOf(wall: Date, zone: string): Date {
  const plain = Temporal.PlainDateTime.from(wall.toISOString().slice(0, -1));
  const first = plain.toZonedDateTime(zone, { disambiguation: 'earlier' });
  if (first.toPlainDateTime().equals(plain)) return new Date(first.epochMilliseconds);
  // Skipped: `earlier` lies as far before the gap as the local time lies in it.
  const gapEnd = first.getTimeZoneTransition('next');
  return new Date((gapEnd ?? first).epochMilliseconds);
}
