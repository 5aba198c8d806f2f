import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CronError, parseCron } from './cron.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const occurrences = (expression: string, zone: string, from: string, count: number) => {
  const schedule = parseCron(expression, zone, NOW);
  const found: string[] = [];
  let at: Date | null = new Date(from);
  for (let index = 0; index < count && at !== null; index += 1) {
    at = schedule.next(at);
    if (at !== null) found.push(at.toISOString().slice(0, 16));
  }
  return found;
};

describe('daylight saving, as the table of the specification has it', () => {
  test.each([
    ['0 2 * * *', 'America/Chicago', '2026-03-07T12:00:00Z', ['2026-03-08T08:00', '2026-03-09T07:00']],
    ['30 1 * * *', 'America/Chicago', '2026-11-01T00:00:00Z', ['2026-11-01T06:30', '2026-11-02T07:30']],
    ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', ['2026-03-29T01:00', '2026-03-30T00:30']],
    ['30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', ['2026-10-25T00:30', '2026-10-26T01:30']],
    [
      '*/15 * * * *',
      'America/Chicago',
      '2026-03-08T07:44:00Z',
      ['2026-03-08T07:45', '2026-03-08T08:00', '2026-03-08T08:15', '2026-03-08T08:30'],
    ],
  ])('%s in %s after %s', (expression, zone, from, expected) => {
    expect(occurrences(expression, zone, from, expected.length)).toEqual(expected);
  });

  test('every local time that exists twice fires once, also between its two appearances', () => {
    expect(occurrences('*/30 * * * *', 'America/Chicago', '2026-11-01T06:10:00Z', 2)).toEqual([
      '2026-11-01T06:30',
      '2026-11-01T08:00',
    ]);
    expect(occurrences('30 1 * * *', 'America/Chicago', '2026-11-01T06:45:00Z', 1)).toEqual([
      '2026-11-02T07:30',
    ]);
  });
});

describe('the dialect', () => {
  test.each([
    '0 0 * * 7',
    '0 0 * * SUN',
    '0 0 1-31/2 JAN,feb *',
    '*/5 0-6,22-23 * * MON-FRI',
    '@hourly',
    '@YEARLY',
    '0 0 29 2 *',
    '  0   0 * * *  ',
  ])('takes %j', (expression) => {
    expect(parseCron(expression, 'UTC', NOW).next(NOW)).toBeInstanceOf(Date);
  });

  test.each([
    '',
    'x',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '*/0 * * * *',
    '5-1 * * * *',
    '0 24 * * *',
    '0 0 0 * *',
    '0 0 * 13 *',
    '0 0 * * 8',
    '0 0 L * *',
    '0 0 1W * *',
    '0 0 * * 5#2',
    '0 0 ? * *',
    '0 0 +1 * 5',
    '1,,2 * * * *',
    '@every 5m',
    '@midnight',
    '@reboot',
    '2026-01-01T00:00:00',
    '0 0 30 2 *',
    '0 0 31 4,6,9,11 *',
    `${'1,'.repeat(5000)}1 * * * *`.replaceAll('1', '99'),
  ])('refuses %j', (expression) => {
    expect(() => parseCron(expression, 'UTC', NOW)).toThrow(CronError);
  });

  test.each(['GMT', 'UTC', 'Etc/GMT+5', 'Asia/Kolkata', 'america/chicago'])('takes the zone %s', (zone) => {
    expect(parseCron('0 0 * * *', zone, NOW).next(NOW)).toBeInstanceOf(Date);
  });

  test.each(['', 'Mars/Olympus', '+01:00', 'Europe'])('refuses the zone %j', (zone) => {
    expect(() => parseCron('0 0 * * *', zone, NOW)).toThrow(CronError);
  });
});

/** Two years, minute by minute. */
const MINUTES = 2 * 365 * 1440;
const FIRST = Date.UTC(2026, 0, 1) / 60_000;

/** The offset of a zone from UTC in minutes at each quarter of an hour, which is as fine as zones are. */
function offsetsOf(zone: string): Int16Array {
  const offsets = new Int16Array(MINUTES / 15 + 1);
  for (let quarter = 0; quarter < offsets.length; quarter += 1) {
    const instant = Temporal.Instant.fromEpochMilliseconds((FIRST + quarter * 15) * 60_000);
    offsets[quarter] = instant.toZonedDateTimeISO(zone).offsetNanoseconds / 60e9;
  }
  return offsets;
}

interface Fields {
  minutes: number[];
  hours: number[];
  days: number[] | null;
  months: number[] | null;
  weekdays: number[] | null;
}

/** The rule of the specification without any library: walks all minutes and remembers which local times were seen. */
function slowOccurrences(fields: Fields, offsets: Int16Array): number[] {
  const matches = (local: number): boolean => {
    const date = new Date(local * 60_000);
    if (!fields.minutes.includes(date.getUTCMinutes()) || !fields.hours.includes(date.getUTCHours()))
      return false;
    if (fields.months !== null && !fields.months.includes(date.getUTCMonth() + 1)) return false;
    const { days, weekdays } = fields;
    const day = days?.includes(date.getUTCDate()) === true;
    const weekday = weekdays?.includes(date.getUTCDay()) === true;
    if (days !== null && weekdays !== null) return day || weekday;
    return (days === null || day) && (weekdays === null || weekday);
  };
  const found: number[] = [];
  let latestLocal = Number.NEGATIVE_INFINITY;
  for (let minute = 0; minute < MINUTES; minute += 1) {
    const local = FIRST + minute + (offsets[Math.floor(minute / 15)] ?? 0);
    // A local time at or before one that was seen is a second appearance; a jump forward skipped some.
    if (local <= latestLocal) continue;
    const from = latestLocal === Number.NEGATIVE_INFINITY ? local : latestLocal + 1;
    let fires = false;
    for (let one = from; one <= local && !fires; one += 1) fires = matches(one);
    if (fires) found.push(FIRST + minute);
    latestLocal = local;
  }
  return found;
}

const ZONES = [
  'Australia/Lord_Howe',
  'Pacific/Chatham',
  'Africa/Casablanca',
  'Europe/Dublin',
  'America/Chicago',
  'Europe/Berlin',
  'America/St_Johns',
  'Asia/Kolkata',
];

const subset = (min: number, max: number, size: number) =>
  fc
    .uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: size })
    .map((all) => all.sort((a, b) => a - b));
const restricted = (min: number, max: number) => fc.option(subset(min, max, 4), { nil: null });
const fieldSets: fc.Arbitrary<Fields> = fc.record({
  minutes: fc.oneof(subset(0, 59, 4), fc.constantFrom<number[]>([0], [0, 30], [0, 15, 30, 45])),
  hours: fc.oneof(subset(0, 23, 4), subset(0, 4, 4), fc.constant<number[]>([...Array(24).keys()])),
  days: restricted(1, 28),
  months: restricted(1, 12),
  weekdays: restricted(0, 6),
});

const text = (fields: Fields) =>
  [fields.minutes, fields.hours, fields.days, fields.months, fields.weekdays]
    .map((field) => field?.join(',') ?? '*')
    .join(' ');

describe.each(ZONES)('in %s', (zone) => {
  test('every occurrence of two years is what walking all minutes finds', { timeout: 120_000 }, () => {
    const offsets = offsetsOf(zone);
    fc.assert(
      fc.property(fieldSets, (fields) => {
        const slow = slowOccurrences(fields, offsets);
        const schedule = parseCron(text(fields), zone, NOW);
        let at: Date | null = new Date(NOW.getTime() - 1);
        const fast: number[] = [];
        while (fast.length < 400) {
          at = schedule.next(at);
          if (at === null || at.getTime() >= (FIRST + MINUTES) * 60_000) break;
          fast.push(at.getTime() / 60_000);
        }
        expect(fast, text(fields)).toEqual(slow.slice(0, fast.length < 400 ? undefined : 400));
        // Around every change of the clock, from any instant before it.
        for (const probe of transitionsOf(offsets)) {
          for (const back of [1, 45, 200]) {
            const from = probe - back;
            const expected = slow.find((minute) => minute > from);
            if (expected === undefined) continue;
            const found = schedule.next(new Date(from * 60_000));
            expect(
              found?.toISOString(),
              `${text(fields)} after ${new Date(from * 60_000).toISOString()}`,
            ).toBe(new Date(expected * 60_000).toISOString());
          }
        }
      }),
      { numRuns: 12 },
    );
  });
});

function transitionsOf(offsets: Int16Array): number[] {
  const found: number[] = [];
  for (let quarter = 1; quarter < offsets.length; quarter += 1) {
    if (offsets[quarter] !== offsets[quarter - 1]) found.push(FIRST + quarter * 15);
  }
  return found;
}
