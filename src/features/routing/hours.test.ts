import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAYS, type Day, type Hours, isInside, parseHours, type Range } from './hours.ts';

const inside = (timezone: string, hours: Hours, instant: string) =>
  isInside({ timezone, hours }, new Date(instant));

describe('the table of the specification', () => {
  test.each([
    ['America/Chicago', 'sunday', '01:00', '04:00', '2024-03-10T07:30Z', true],
    ['America/Chicago', 'sunday', '01:00', '04:00', '2024-03-10T08:30Z', true],
    ['America/Chicago', 'sunday', '01:00', '04:00', '2024-03-10T09:30Z', false],
    ['America/Chicago', 'sunday', '00:00', '03:00', '2024-11-03T06:30Z', true],
    ['America/Chicago', 'sunday', '00:00', '03:00', '2024-11-03T07:30Z', true],
    ['Europe/London', 'monday', '09:00', '17:00', '2024-03-25T09:00Z', true],
    ['Europe/London', 'monday', '09:00', '17:00', '2024-10-28T10:00Z', true],
    ['Asia/Kolkata', 'monday', '09:00', '17:00', '2024-03-25T11:29:59.999Z', true],
    ['Asia/Kolkata', 'monday', '09:00', '17:00', '2024-03-25T11:30:00.000Z', false],
    ['UTC', 'monday', '22:00', '06:00', '2024-03-26T02:00Z', true],
    ['UTC', 'monday', '22:00', '06:00', '2024-03-25T02:00Z', false],
    ['UTC', 'monday', '22:00', '06:00', '2024-03-26T06:00Z', false],
    ['UTC', 'sunday', '22:00', '06:00', '2024-03-25T05:59:59.999Z', true],
    ['UTC', 'monday', '08:00', '24:00', '2024-03-25T23:59:59.999Z', true],
    ['UTC', 'monday', '08:00', '24:00', '2024-03-26T00:00Z', false],
    ['UTC', 'monday', '08:00', '00:00', '2024-03-25T23:59:59.999Z', true],
    ['UTC', 'monday', '08:00', '00:00', '2024-03-26T00:00Z', false],
    ['UTC', 'monday', '00:00', '24:00', '2024-03-25T00:00Z', true],
    ['UTC', 'tuesday', '00:00', '24:00', '2024-03-25T12:00Z', false],
  ] as const)('%s, %s %s–%s at %s: %s', (zone, day, start, end, instant, expected) => {
    expect(inside(zone, { [day]: [{ start, end }] }, instant)).toBe(expected);
  });
});

describe('hours are read', () => {
  test('with days in any case, in the order of the week', () => {
    const range = { start: '09:00', end: '17:00' };
    expect(parseHours({ SUNDAY: [range], Monday: [range, { start: '18:00', end: '24:00' }] })).toEqual({
      hours: { monday: [range, { start: '18:00', end: '24:00' }], sunday: [range] },
    });
    expect(Object.keys((parseHours({ SUNDAY: [], Monday: [] }) as { hours: Hours }).hours)).toEqual([
      'monday',
      'sunday',
    ]);
  });

  test.each([
    [{ Mondey: [] }, 'hours.Mondey'],
    [{ '': [] }, 'hours.'],
    [{ toString: [] }, 'hours.toString'],
    [{ monday: [], MONDAY: [] }, 'hours.MONDAY'],
    [{ monday: [{ start: '9:00', end: '17:00' }] }, 'hours.monday.0.start'],
    [{ monday: [{ start: '24:00', end: '17:00' }] }, 'hours.monday.0.start'],
    [{ monday: [{ start: '09:60', end: '17:00' }] }, 'hours.monday.0.start'],
    [{ monday: [{ start: '09:00', end: '24:01' }] }, 'hours.monday.0.end'],
    [{ monday: [{ start: '09:00', end: '17:00\n' }] }, 'hours.monday.0.end'],
    [{ monday: [{ start: '٠٩:00', end: '17:00' }] }, 'hours.monday.0.start'],
    [
      {
        friday: [
          { start: '09:00', end: '10:00' },
          { start: '11:00', end: '11:00' },
        ],
      },
      'hours.friday.1.end',
    ],
  ] as const)('%j is refused at %s', (given, path) => {
    expect(parseHours(given as unknown as Record<string, Range[]>)).toMatchObject({ problem: { path } });
  });
});

const MINUTE_MS = 60_000;
const WEEK_MINUTES = 7 * 1440;

/** Every minute of the week that a schedule has, walked one by one from the start of each range to its end. */
function minutesOfWeek(hours: Hours): Set<number> {
  const minutes = new Set<number>();
  DAYS.forEach((day, index) => {
    for (const { start, end } of hours[day] ?? []) {
      const of = (time: string) => Number(time.split(':')[0]) * 60 + Number(time.split(':')[1]);
      const last = of(end) % 1440;
      let minute = of(start);
      do {
        minutes.add((index * 1440 + minute) % WEEK_MINUTES);
        minute += 1;
      } while (minute % 1440 !== last);
    }
  });
  return minutes;
}

/** The minute of the local week, as the calendar of the C locale tells it. */
function localMinuteOf(zone: string): (instant: Date) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    weekday: 'long',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  return (instant) => {
    const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, value]));
    const day = DAYS.indexOf(String(parts.weekday).toLowerCase() as Day);
    return day * 1440 + Number(parts.hour) * 60 + Number(parts.minute);
  };
}

const time = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
  .map((pair) => pair.map((part) => String(part).padStart(2, '0')).join(':'));
const range = fc
  .record({ start: time, end: fc.oneof(time, fc.constant('24:00')) })
  .filter(({ start, end }) => start !== end);
const schedules = fc.dictionary(
  fc.constantFrom(...DAYS),
  fc.array(range, { maxLength: 3 }),
) as fc.Arbitrary<Hours>;

/** Around changes of the clock, and of the calendar: Apia has no 30 December 2011. */
const WEEKS: [zone: string, from: string][] = [
  ['Australia/Lord_Howe', '2024-04-05T00:00Z'],
  ['Australia/Lord_Howe', '2024-10-04T00:00Z'],
  ['Pacific/Chatham', '2024-09-27T00:00Z'],
  ['Africa/Casablanca', '2024-03-09T00:00Z'],
  ['Europe/Dublin', '2024-10-26T00:00Z'],
  ['America/Chicago', '2024-03-09T00:00Z'],
  ['America/Chicago', '2024-11-02T00:00Z'],
  ['Europe/London', '2024-03-30T00:00Z'],
  ['Asia/Kolkata', '2024-03-30T00:00Z'],
  ['Pacific/Apia', '2011-12-28T00:00Z'],
];

test.each(WEEKS)('in %s from %s every minute of three days is what walking the week says', (zone, from) => {
  const localMinute = localMinuteOf(zone);
  const first = Date.parse(from);
  const instants = Array.from({ length: 3 * 1440 }, (_, n) => new Date(first + n * MINUTE_MS));
  const locals = instants.map(localMinute);
  fc.assert(
    fc.property(schedules, fc.integer({ min: 0, max: MINUTE_MS - 1 }), (hours, within) => {
      const expected = minutesOfWeek(hours);
      instants.forEach((instant, n) => {
        const at = new Date(instant.getTime() + within);
        if (isInside({ timezone: zone, hours }, at) !== expected.has(locals[n] as number))
          throw new Error(`${at.toISOString()} ${JSON.stringify(hours)}`);
      });
    }),
    { numRuns: 8 },
  );
});
