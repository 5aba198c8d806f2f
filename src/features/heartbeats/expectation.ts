import { afterReceiving, extended, type Outage, receivingTime } from './outage.ts';

interface Always {
  graceSeconds: number;
  /** Nothing before this instant is demanded. */
  monitoringSince: Date;
}

/** At least `threshold` signs of life in every interval. */
export interface IntervalExpectation extends Always {
  mode: 'interval';
  intervalSeconds: number;
  threshold: number;
}

/** A sign of life after every occurrence, before the grace ends. */
export interface CronExpectation extends Always {
  mode: 'cron';
  threshold: 1;
  /** The first occurrence strictly after an instant. */
  next: (after: Date) => Date | null;
}

/** The rule that says when a service must report (spec 01 section 6). */
export type Expectation = IntervalExpectation | CronExpectation;

export interface Deadline {
  /** The moment by which, or from which on, the next sign of life is expected. */
  expectedAt: Date;
  /** The exact instant at which a silent service becomes overdue; a sign at this instant is in time. */
  overdueAt: Date;
}

/** What no occurrence ever follows: further away than any date that PostgreSQL and JavaScript share. */
const NEVER = new Date('9999-12-31T00:00:00.000Z');
/** Missed occurrences that are counted in one go; the rest follows with the next look. */
const MOST_OCCURRENCES = 10_000;

/**
 * When a service becomes overdue.
 * @param signs signs of life, newest first; those beyond the threshold do not matter.
 * @param outages of Medic itself, by their start.
 */
export function deadline(
  expectation: Expectation,
  signs: readonly Date[],
  outages: readonly Outage[] = [],
): Deadline {
  const nth = signs[expectation.threshold - 1];
  const { monitoringSince } = expectation;
  const anchor = nth !== undefined && nth > monitoringSince ? nth : monitoringSince;
  if (expectation.mode === 'cron') return occurrenceAfter(expectation, anchor, outages);
  const wholePeriodMs = expectation.intervalSeconds * 1000;
  const expectedAt = new Date(anchor.getTime() + wholePeriodMs);
  const due = new Date(expectedAt.getTime() + expectation.graceSeconds * 1000);
  return { expectedAt, overdueAt: extended(due, anchor, outages, wholePeriodMs) };
}

/** The occurrence after an instant. One that lies with its whole grace in an outage was neither met nor missed. */
function occurrenceAfter(expectation: CronExpectation, after: Date, outages: readonly Outage[]): Deadline {
  const graceMs = expectation.graceSeconds * 1000;
  let expectedAt = expectation.next(after) ?? NEVER;
  for (;;) {
    const due = new Date(expectedAt.getTime() + graceMs);
    const swallowed = outages.some(({ startedAt, endedAt }) => startedAt <= expectedAt && due <= endedAt);
    if (!swallowed) return { expectedAt, overdueAt: extended(due, expectedAt, outages, 0) };
    expectedAt = expectation.next(expectedAt) ?? NEVER;
  }
}

/**
 * The next instant at which a service without an alert may change: it becomes late, or overdue. Never later than that
 * after whatever it reports from `now` on, since a sign of life does not change when a service is looked at.
 */
export function nextLook(
  expectation: Expectation,
  signs: readonly Date[],
  now: Date,
  outages: readonly Outage[] = [],
): Date {
  const { expectedAt, overdueAt } = deadline(expectation, signs, outages);
  if (expectation.mode === 'interval') {
    if (expectedAt > now && outages.length === 0) return expectedAt;
    // A sign to come counts itself, or makes a newer one count, and their periods may hold less of an outage.
    const others = [...signs.slice(0, expectation.threshold - 1), now]
      .map((sign) => deadline({ ...expectation, threshold: 1 }, [sign], outages))
      .flatMap((other) => [other.expectedAt, other.overdueAt]);
    return earliest(overdueAt, ...[expectedAt, ...others].filter((other) => other > now));
  }
  if (now < expectedAt) return expectedAt;
  const following = expectation.next(now) ?? NEVER;
  return earliest(following, overdueAt);
}

function earliest(...instants: readonly Date[]): Date {
  return new Date(Math.min(...instants.map((instant) => instant.getTime())));
}

/** True when the signs of a service at `at`, the newest of them just received, satisfy its expectation. */
export function isSatisfied(expectation: Expectation, signs: readonly Date[], at: Date): boolean {
  const nth = signs[expectation.threshold - 1];
  if (nth === undefined) return false;
  return expectation.mode === 'cron' || at.getTime() - nth.getTime() <= expectation.intervalSeconds * 1000;
}

export interface Periods {
  /** Whole periods that passed. */
  count: number;
  /** Where the running period began. */
  from: Date;
  /** When the running period will have passed. */
  until: Date;
}

/**
 * The missed periods of a failing service between `from`, its opening or last increment, and `now` (spec 03
 * section 4). A change of the expectation starts a whole new period; time in which Medic was away does not count.
 */
export function missedPeriods(
  expectation: Expectation,
  from: Date,
  now: Date,
  signs: readonly Date[] = [],
  outages: readonly Outage[] = [],
): Periods {
  const { monitoringSince } = expectation;
  const start = from > monitoringSince ? from : monitoringSince;
  if (expectation.mode === 'cron') return missedOccurrences(expectation, start, now, signs, outages);
  const length = expectation.intervalSeconds * 1000;
  const count = Math.max(0, Math.floor(receivingTime(start, now, outages) / length));
  return {
    count,
    from: count === 0 ? start : afterReceiving(start, count * length, outages),
    until: afterReceiving(start, (count + 1) * length, outages),
  };
}

function missedOccurrences(
  expectation: CronExpectation,
  start: Date,
  now: Date,
  signs: readonly Date[],
  outages: readonly Outage[],
): Periods {
  const [newest] = signs;
  let after = newest !== undefined && newest > start ? newest : start;
  let from = start;
  for (let count = 0; ; count += 1) {
    const { overdueAt } = occurrenceAfter(expectation, after, outages);
    if (overdueAt >= now || count === MOST_OCCURRENCES) return { count, from, until: overdueAt };
    after = overdueAt;
    from = overdueAt;
  }
}
