/** The days of a schedule, in the order of `Temporal`: Monday is 1. */
export const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
export type Day = (typeof DAYS)[number];

/** Local times `HH:MM`; the start is inside, the end is not, and may be `24:00`. */
export interface Range {
  start: string;
  end: string;
}

export type Hours = Partial<Record<Day, readonly Range[]>>;

export interface Schedule {
  timezone: string;
  hours: Hours;
}

/** What is wrong with hours, and where. */
export interface HoursProblem {
  path: string;
  message: string;
}

const START = /^(?:[01]\d|2[0-3]):[0-5]\d$/;
const END = /^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/;
const MINUTES_OF_DAY = 1440;

/**
 * Hours as they are stored: day names in lower case, in the order of the week (spec 04 section 5).
 * @returns the hours, or the first problem.
 */
export function parseHours(
  given: Readonly<Record<string, readonly Range[]>>,
): { hours: Hours } | { problem: HoursProblem } {
  const hours: Hours = {};
  const refuse = (path: string, message: string) => ({ problem: { path, message } });
  for (const [name, ranges] of Object.entries(given)) {
    const path = `hours.${name.slice(0, 40)}`;
    const day = DAYS.find((one) => one === name.toLowerCase());
    if (day === undefined) return refuse(path, `is not a day; days are ${DAYS.join(', ')}`);
    if (hours[day] !== undefined) return refuse(path, `${day} is given twice`);
    for (const [index, { start, end }] of ranges.entries()) {
      const at = `${path}.${index}`;
      if (!START.test(start)) return refuse(`${at}.start`, 'must be HH:MM, 00:00 to 23:59');
      if (!END.test(end)) return refuse(`${at}.end`, 'must be HH:MM, 00:00 to 23:59, or 24:00');
      if (start === end) return refuse(`${at}.end`, 'must differ from start');
    }
    hours[day] = ranges.map(({ start, end }) => ({ start, end }));
  }
  const inOrder = DAYS.filter((day) => hours[day] !== undefined).map((day) => [day, hours[day]]);
  return { hours: Object.fromEntries(inOrder) };
}

/**
 * Whether an instant lies in the working hours of a schedule, by the local wall clock. A range with start > end
 * crosses midnight and belongs to the day on which it starts. Throws RangeError for an unknown time zone.
 */
export function isInside({ timezone, hours }: Schedule, instant: Date): boolean {
  const local = Temporal.Instant.fromEpochMilliseconds(instant.getTime()).toZonedDateTimeISO(timezone);
  // Ranges have whole minutes: what follows the minute decides nothing.
  const minute = local.hour * 60 + local.minute;
  const today = hours[DAYS[local.dayOfWeek - 1] as Day] ?? [];
  const yesterday = hours[DAYS[(local.dayOfWeek + 5) % 7] as Day] ?? [];
  return (
    today.some((range) => {
      const { start, end } = minutesOf(range);
      return minute >= start && minute < (end < start ? MINUTES_OF_DAY : end);
    }) ||
    yesterday.some((range) => {
      const { start, end } = minutesOf(range);
      return end < start && minute < end;
    })
  );
}

function minutesOf({ start, end }: Range): { start: number; end: number } {
  return { start: minuteOf(start), end: minuteOf(end) };
}

function minuteOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}
