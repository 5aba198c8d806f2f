import type { Span } from '../routing/window.ts';
import { type Expectation, missedPeriods } from './expectation.ts';
import type { Outage } from './outage.ts';

/**
 * How many of the missed periods of a failing service fell due outside of maintenance windows: the others are not
 * counted (spec 03 section 6).
 * @param spans the times in which windows covered the service; they may overlap.
 */
export function missedOutside(
  expectation: Expectation,
  from: Date,
  now: Date,
  { signs, outages, spans }: { signs: readonly Date[]; outages: readonly Outage[]; spans: readonly Span[] },
): number {
  let count = 0;
  let start = from;
  const walk = (to: Date, counts: boolean) => {
    const periods = missedPeriods(expectation, start, to, signs, outages);
    if (counts) count += periods.count;
    start = periods.from;
  };
  const inOrder = spans.toSorted((one, other) => one.start.getTime() - other.start.getTime());
  for (const { start: begins, end: ends } of inOrder) {
    if (ends <= start || begins >= now) continue;
    // What falls due at its very start is inside, at its very end outside.
    if (begins > start) walk(before(begins), true);
    walk(ends > now ? now : before(ends), false);
  }
  walk(now, true);
  return count;
}

function before(instant: Date): Date {
  return new Date(instant.getTime() - 1);
}
