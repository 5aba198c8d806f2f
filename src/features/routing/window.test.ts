import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCron } from '../../platform/cron.ts';
import { coverage, covered, nextStart, type Window } from './window.ts';

const NOW = new Date('2025-12-01T00:00:00Z');
const HOUR_MS = 3_600_000;

function windowOf(
  recurrence: string | null,
  lengthMs: number,
  { zone = 'UTC', start = '2026-01-01T00:00:00Z' } = {},
): Window {
  const startsAt = new Date(start);
  const schedule = recurrence === null ? null : parseCron(recurrence, zone, NOW);
  return {
    startsAt,
    endsAt: new Date(startsAt.getTime() + lengthMs),
    next: schedule === null ? null : (after) => schedule.next(after),
  };
}

describe('the table of the specification', () => {
  const half = HOUR_MS / 2;
  const chicago = { zone: 'America/Chicago' };
  test.each<[string, Window, string, boolean]>([
    ['@hourly 30 min', windowOf('0 * * * *', half), '2026-02-01T10:00:00.000Z', true],
    ['@hourly 30 min', windowOf('0 * * * *', half), '2026-02-01T10:15:00.000Z', true],
    ['@hourly 30 min', windowOf('0 * * * *', half), '2026-02-01T10:29:59.999Z', true],
    ['@hourly 30 min', windowOf('0 * * * *', half), '2026-02-01T10:30:00.000Z', false],
    ['@hourly 30 min', windowOf('0 * * * *', half), '2026-02-01T10:45:00.000Z', false],
    ['Sunday 02:00 2 h', windowOf('0 2 * * 0', 2 * HOUR_MS), '2026-02-01T03:00:00Z', true],
    ['Sunday 02:00 2 h', windowOf('0 2 * * 0', 2 * HOUR_MS), '2026-02-01T05:00:00Z', false],
    ['Chicago 02:00 2 h', windowOf('0 2 * * *', 2 * HOUR_MS, chicago), '2026-01-15T08:30:00Z', true],
    ['Chicago 02:00 2 h', windowOf('0 2 * * *', 2 * HOUR_MS, chicago), '2026-07-15T07:30:00Z', true],
    ['Chicago 02:00 2 h', windowOf('0 2 * * *', 2 * HOUR_MS, chicago), '2026-07-15T09:30:00Z', false],
    ['before its start', windowOf('0 * * * *', half), '2025-12-31T23:15:00Z', false],
    ['the first is at the start', windowOf('0 * * * *', half), '2026-01-01T00:00:00Z', true],
    ['the first is after the start', windowOf('30 * * * *', half), '2026-01-01T00:15:00Z', false],
    ['once', windowOf(null, HOUR_MS), '2025-12-31T23:59:59.999Z', false],
    ['once', windowOf(null, HOUR_MS), '2026-01-01T00:00:00.000Z', true],
    ['once', windowOf(null, HOUR_MS), '2026-01-01T00:59:59.999Z', true],
    ['once', windowOf(null, HOUR_MS), '2026-01-01T01:00:00.000Z', false],
    // 2026-03-08 in Chicago: 02:00 to 03:00 does not exist, and the window lasts as long as ever.
    ['a skipped start', windowOf('0 2 * * *', 2 * HOUR_MS, chicago), '2026-03-08T08:00:00Z', true],
    ['a skipped start', windowOf('0 2 * * *', 2 * HOUR_MS, chicago), '2026-03-08T09:59:59Z', true],
    ['a skipped start', windowOf('0 2 * * *', 2 * HOUR_MS, chicago), '2026-03-08T10:00:00Z', false],
    // 2026-11-01: 01:30 exists twice, and the window opens at its first appearance only.
    ['a start twice', windowOf('30 1 * * *', half, chicago), '2026-11-01T06:59:00Z', true],
    ['a start twice', windowOf('30 1 * * *', half, chicago), '2026-11-01T07:30:00Z', false],
    ['longer than its period', windowOf('0 * * * *', 90 * 60_000), '2026-02-01T10:59:59Z', true],
  ])('%s at %s', (_name, window, instant, expected) => {
    expect(coverage(window, new Date(instant)) !== null).toBe(expected);
  });
});

test('where occurrences overlap the newest one says when it ends', () => {
  const window = windowOf('0 * * * *', 150 * 60_000);
  expect(coverage(window, new Date('2026-02-01T10:10:00Z'))).toEqual({
    start: new Date('2026-02-01T10:00:00Z'),
    end: new Date('2026-02-01T12:30:00Z'),
  });
});

test('a year that begins anew every minute is found by halves', () => {
  const window = windowOf('* * * * *', 366 * 24 * HOUR_MS);
  const started = performance.now();
  expect(coverage(window, new Date('2027-06-01T10:10:30Z'))?.start).toEqual(new Date('2027-06-01T10:10:00Z'));
  expect(performance.now() - started).toBeLessThan(500);
});

test('the next start lies strictly after the instant and not before the first', () => {
  const hourly = windowOf('30 * * * *', HOUR_MS);
  expect(nextStart(hourly, new Date('2025-06-01T00:00:00Z'))).toEqual(new Date('2026-01-01T00:30:00Z'));
  expect(nextStart(hourly, new Date('2026-01-01T00:30:00Z'))).toEqual(new Date('2026-01-01T01:30:00Z'));
  const once = windowOf(null, HOUR_MS);
  expect(nextStart(once, new Date('2025-12-31T00:00:00Z'))).toEqual(new Date('2026-01-01T00:00:00Z'));
  expect(nextStart(once, new Date('2026-01-01T00:00:00Z'))).toBeNull();
});

const ZONES = [
  'Australia/Lord_Howe',
  'Pacific/Chatham',
  'Africa/Casablanca',
  'Europe/Dublin',
  'America/Chicago',
  'Europe/London',
  'Asia/Kolkata',
  'Pacific/Apia',
];
const MINUTE_MS = 60_000;
const FROM = Date.parse('2026-01-01T00:00:00Z');
const MINUTES = 366 * 1440;

/** Which minutes of a year are covered, by marking each occurrence minute by minute. */
function slowMinutes(window: Window, lengthMinutes: number, occurrences: readonly number[]): Uint8Array {
  const marks = new Uint8Array(MINUTES);
  for (const at of occurrences) {
    if (at < window.startsAt.getTime()) continue;
    const first = (at - FROM) / MINUTE_MS;
    for (let n = 0; n < lengthMinutes; n += 1) if (first + n >= 0) marks[first + n] = 1;
  }
  return marks;
}

/** Local fields of every minute, as the calendar of Intl tells them: independent of the cron walker. */
function walk(zone: string, hours: readonly number[], minutes: readonly number[]): number[] {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    dateStyle: 'short',
    timeStyle: 'short',
    hourCycle: 'h23',
  });
  const found: number[] = [];
  let latest = Number.NEGATIVE_INFINITY;
  for (let n = -2880; n < MINUTES; n += 15) {
    const text = format.format(new Date(FROM + n * MINUTE_MS));
    const [, day, month, year, hour, minute] = /(\d+)\/(\d+)\/(\d+), (\d+):(\d+)/.exec(text) ?? [];
    const start =
      Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute)) / MINUTE_MS;
    // Offsets change at quarters of an hour only, so that in between local time runs with the clock.
    for (let more = 0; more < 15; more += 1) {
      const local = start + more;
      if (local <= latest) continue;
      const from = latest === Number.NEGATIVE_INFINITY ? local : latest + 1;
      for (let one = from; one <= local; one += 1) {
        const date = new Date(one * MINUTE_MS);
        if (hours.includes(date.getUTCHours()) && minutes.includes(date.getUTCMinutes())) {
          found.push(FROM + (n + more) * MINUTE_MS);
          break;
        }
      }
      latest = local;
    }
  }
  return found;
}

const some = (max: number, size: number) =>
  fc.uniqueArray(fc.integer({ min: 0, max }), { minLength: 1, maxLength: size });
const recipes = fc.record({
  hours: fc.oneof(some(23, 3), some(4, 3)),
  minutes: fc.oneof(some(59, 2), fc.constantFrom([0], [0, 30])),
  length: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 300, max: 4000 })),
  late: fc.integer({ min: 0, max: 200 * 1440 }),
});

describe.each(ZONES)('in %s', (zone) => {
  test('the covered minutes of a year are those that marking one by one finds', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(recipes, ({ hours, minutes, length, late }) => {
        const start = new Date(FROM + late * MINUTE_MS).toISOString();
        const text = `${minutes.join(',')} ${hours.join(',')} * * *`;
        const window = windowOf(text, length * MINUTE_MS, { zone, start });
        const occurrences = walk(zone, hours, minutes);
        const marks = slowMinutes(window, length, occurrences);
        const said = new Uint8Array(MINUTES);
        for (const span of covered(window, new Date(FROM), new Date(FROM + MINUTES * MINUTE_MS))) {
          said.fill(
            1,
            Math.max(0, (span.start.getTime() - FROM) / MINUTE_MS),
            (span.end.getTime() - FROM) / MINUTE_MS,
          );
        }
        const wrong = marks.findIndex((mark, n) => mark !== said[n]);
        expect(wrong, `${text} ${length}`).toBe(-1);
        // One by one where it changes, which is where mistakes are.
        for (let n = 1; n < MINUTES; n += 1) {
          const changes = marks[n] !== marks[n - 1];
          if (!changes && n % 9973 !== 0) continue;
          const at = new Date(FROM + n * MINUTE_MS);
          expect(coverage(window, at) !== null, `${text} at ${at.toISOString()}`).toBe(marks[n] === 1);
          const justBefore = new Date(at.getTime() - 1);
          expect(coverage(window, justBefore) !== null, justBefore.toISOString()).toBe(marks[n - 1] === 1);
        }
        const after = new Date(FROM + ((late * 7) % MINUTES) * MINUTE_MS);
        const upcoming = occurrences.find((at) => at > after.getTime() && at >= window.startsAt.getTime());
        if (upcoming !== undefined) expect(nextStart(window, after)?.getTime()).toBe(upcoming);
      }),
      { numRuns: 4 },
    );
  });
});
