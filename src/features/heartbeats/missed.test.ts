import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Expectation } from './expectation.ts';
import { missedOutside } from './missed.ts';

const FROM = Date.parse('2026-03-01T12:00:00Z');
const at = (seconds: number) => new Date(FROM + seconds * 1000);

interface Rule {
  expectation: Expectation;
  /** Seconds after `FROM` at which a period has passed. */
  due: (n: number) => number;
}
const rules: fc.Arbitrary<Rule> = fc.oneof(
  fc.integer({ min: 10, max: 300 }).map(
    (intervalSeconds): Rule => ({
      expectation: {
        mode: 'interval',
        intervalSeconds,
        threshold: 1,
        graceSeconds: 5,
        monitoringSince: at(-1e6),
      },
      due: (n: number) => (n + 1) * intervalSeconds,
    }),
  ),
  fc
    .tuple(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 50 }))
    .map(([minutes, graceSeconds]) => {
      const period = minutes * 60;
      const next = (after: Date) => at((Math.floor((after.getTime() - FROM) / 1000 / period) + 1) * period);
      return {
        expectation: { mode: 'cron', threshold: 1, graceSeconds, monitoringSince: at(-1e6), next },
        due: (n: number) => (n + 1) * period + graceSeconds,
      } as Rule;
    }),
);
const spans = fc.array(
  fc
    .tuple(fc.integer({ min: -500, max: 4000 }), fc.integer({ min: 1, max: 900 }))
    .map(([start, length]) => ({ start: at(start), end: at(start + length) })),
  { maxLength: 5 },
);

test('periods are counted exactly when they fall due outside of every window', () => {
  fc.assert(
    fc.property(rules, spans, fc.integer({ min: 0, max: 4000 }), ({ expectation, due }, windows, passed) => {
      // Half a second later, so that "due now" has one meaning in both modes.
      const now = new Date(at(passed).getTime() + 500);
      let expected = 0;
      for (let n = 0; at(due(n)) < now; n += 1) {
        const instant = at(due(n));
        if (!windows.some(({ start, end }) => start <= instant && instant < end)) expected += 1;
      }
      const found = missedOutside(expectation, at(0), now, { signs: [], outages: [], spans: windows });
      expect(found).toBe(expected);
    }),
    { numRuns: 2_000 },
  );
});
