/** The rule that says when a service must report: at least `threshold` signs of life in every interval. */
export interface Expectation {
  intervalSeconds: number;
  threshold: number;
  graceSeconds: number;
  /** Nothing before this instant is demanded. */
  monitoringSince: Date;
}

export interface Deadline {
  /** The moment by which the next sign of life is expected. */
  expectedAt: Date;
  /** The exact instant at which a silent service becomes overdue; a sign at this instant is in time. */
  overdueAt: Date;
}

/**
 * When a service becomes overdue (spec 01 section 6.1).
 * @param signs signs of life, newest first; those beyond the threshold do not matter.
 */
export function deadline(expectation: Expectation, signs: readonly Date[]): Deadline {
  const nth = signs[expectation.threshold - 1]?.getTime() ?? Number.NEGATIVE_INFINITY;
  const anchor = Math.max(nth, expectation.monitoringSince.getTime());
  const expectedAt = anchor + expectation.intervalSeconds * 1000;
  return {
    expectedAt: new Date(expectedAt),
    overdueAt: new Date(expectedAt + expectation.graceSeconds * 1000),
  };
}

/** True when `threshold` signs of life lie within the interval that ends at `at`. */
export function isSatisfied(expectation: Expectation, signs: readonly Date[], at: Date): boolean {
  const nth = signs[expectation.threshold - 1];
  return nth !== undefined && at.getTime() - nth.getTime() <= expectation.intervalSeconds * 1000;
}

export interface Periods {
  /** Whole periods that passed. */
  count: number;
  /** Where the running period began. */
  from: Date;
}

/**
 * The missed periods of a failing service between `from` and `now` (spec 03 section 4). A change of the
 * expectation starts a whole new period.
 */
export function missedPeriods(expectation: Expectation, from: Date, now: Date): Periods {
  const start = Math.max(from.getTime(), expectation.monitoringSince.getTime());
  const length = expectation.intervalSeconds * 1000;
  const count = Math.max(0, Math.floor((now.getTime() - start) / length));
  return { count, from: new Date(start + count * length) };
}

/** The instant at which the next missed period of a failing service is counted. */
export function nextPeriod(expectation: Expectation, from: Date): Date {
  const start = Math.max(from.getTime(), expectation.monitoringSince.getTime());
  return new Date(start + expectation.intervalSeconds * 1000);
}
