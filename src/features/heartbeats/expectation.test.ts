import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deadline, type IntervalExpectation, isSatisfied, missedPeriods } from './expectation.ts';

const day = (time: string) => new Date(`2026-03-08T${time}Z`);
const expectation = (fields: Partial<IntervalExpectation>): IntervalExpectation => ({
  mode: 'interval',
  intervalSeconds: 300,
  threshold: 1,
  graceSeconds: 0,
  monitoringSince: day('00:00:00'),
  ...fields,
});
const newestFirst = (...times: string[]) => times.map(day).reverse();

describe('the deadline, as the table of the specification has it', () => {
  test.each([
    ['one sign', {}, newestFirst('10:00:00.000'), '10:05:00.000'],
    [
      'threshold three',
      { threshold: 3, graceSeconds: 60 },
      newestFirst('10:00:00', '10:01:30', '10:03:00', '10:04:00'),
      '10:07:30.000',
    ],
    [
      'threshold three, one more',
      { threshold: 3, graceSeconds: 60 },
      newestFirst('10:00:00', '10:01:30', '10:03:00', '10:04:00', '10:06:00'),
      '10:09:00.000',
    ],
    [
      'never seen',
      { intervalSeconds: 600, graceSeconds: 30, monitoringSince: day('09:00:00') },
      [],
      '09:10:30.000',
    ],
    [
      'fewer signs than the threshold',
      { intervalSeconds: 600, threshold: 2, monitoringSince: day('09:00:00') },
      newestFirst('09:04:00'),
      '09:10:00.000',
    ],
    [
      'monitoring began after the sign',
      { monitoringSince: day('10:02:00') },
      newestFirst('10:00:00'),
      '10:07:00.000',
    ],
  ])('%s', (_case, fields, signs, overdue) => {
    expect(deadline(expectation(fields), signs).overdueAt).toEqual(day(overdue));
  });

  test('the grace separates the expected moment from the deadline', () => {
    const { expectedAt, overdueAt } = deadline(expectation({ graceSeconds: 45 }), newestFirst('10:00:00'));
    expect([expectedAt, overdueAt]).toEqual([day('10:05:00'), day('10:05:45')]);
  });
});

const instants = fc.integer({ min: 0, max: 1_000_000 }).map((second) => new Date(second * 1000));
const expectations: fc.Arbitrary<IntervalExpectation> = fc.record({
  mode: fc.constant('interval' as const),
  intervalSeconds: fc.integer({ min: 10, max: 604_800 }),
  threshold: fc.integer({ min: 1, max: 6 }),
  graceSeconds: fc.integer({ min: 0, max: 604_800 }),
  monitoringSince: instants,
});
const signs = fc
  .array(instants, { maxLength: 10 })
  .map((all) => all.sort((a, b) => b.getTime() - a.getTime()));

/** The rule as prose has it: silent at `at` when fewer than `threshold` signs lie within the interval and grace before. */
function isOverdueByCounting(rule: IntervalExpectation, all: readonly Date[], at: Date): boolean {
  const length = (rule.intervalSeconds + rule.graceSeconds) * 1000;
  const recent = all.filter((sign) => at.getTime() - sign.getTime() <= length).length;
  return recent < rule.threshold && at.getTime() - rule.monitoringSince.getTime() > length;
}

describe('the deadline, whatever the signs', () => {
  test('agrees with counting the signs at every instant around it', () => {
    fc.assert(
      fc.property(expectations, signs, fc.integer({ min: -3, max: 3 }), (rule, all, offset) => {
        const { overdueAt } = deadline(rule, all);
        const at = new Date(overdueAt.getTime() + offset);
        expect(at > overdueAt).toBe(isOverdueByCounting(rule, all, at));
      }),
    );
  });

  test('never moves back because of one more sign of life', () => {
    fc.assert(
      fc.property(expectations, signs, instants, (rule, all, more) => {
        const before = deadline(rule, all).overdueAt;
        const after = deadline(
          rule,
          [more, ...all].sort((a, b) => b.getTime() - a.getTime()),
        ).overdueAt;
        expect(after.getTime()).toBeGreaterThanOrEqual(before.getTime());
      }),
    );
  });

  test('needs no more signs than the threshold', () => {
    fc.assert(
      fc.property(expectations, signs, (rule, all) => {
        expect(deadline(rule, all.slice(0, rule.threshold))).toEqual(deadline(rule, all));
      }),
    );
  });

  test('gives a whole interval after any change of the expectation', () => {
    fc.assert(
      fc.property(expectations, signs, (rule, all) => {
        const due = deadline(rule, all).overdueAt.getTime();
        expect(due).toBeGreaterThanOrEqual(rule.monitoringSince.getTime() + rule.intervalSeconds * 1000);
      }),
    );
  });
});

describe('recovery by signs of life', () => {
  test('needs the threshold within the interval, its edge included', () => {
    const rule = expectation({ threshold: 2, intervalSeconds: 60 });
    const pair = newestFirst('10:00:00', '10:00:30');
    expect(isSatisfied(rule, pair, day('10:01:00.000'))).toBe(true);
    expect(isSatisfied(rule, pair, day('10:01:00.001'))).toBe(false);
    expect(isSatisfied(rule, pair.slice(0, 1), day('10:00:30'))).toBe(false);
  });
});

describe('missed periods', () => {
  const rule = expectation({ intervalSeconds: 60 });

  test('are counted whole, and the next begins where the last ended', () => {
    expect(missedPeriods(rule, day('12:01:30'), day('12:02:29.999'))).toEqual({
      count: 0,
      from: day('12:01:30'),
      until: day('12:02:30'),
    });
    expect(missedPeriods(rule, day('12:01:30'), day('12:02:30'))).toEqual({
      count: 1,
      from: day('12:02:30'),
      until: day('12:03:30'),
    });
    expect(missedPeriods(rule, day('12:01:30'), day('12:05:00'))).toEqual({
      count: 3,
      from: day('12:04:30'),
      until: day('12:05:30'),
    });
  });

  test('begin anew with a change of the expectation', () => {
    const edited = expectation({ intervalSeconds: 60, monitoringSince: day('12:04:00') });
    expect(missedPeriods(edited, day('12:00:00'), day('12:04:59'))).toEqual({
      count: 0,
      from: day('12:04:00'),
      until: day('12:05:00'),
    });
  });

  test('are the same in one count as in many', () => {
    const ever = expectation({ intervalSeconds: 60, monitoringSince: new Date(0) });
    fc.assert(
      fc.property(
        instants,
        fc.array(fc.integer({ min: 0, max: 400_000 }), { maxLength: 8 }),
        (from, steps) => {
          const start = from;
          let now = start.getTime();
          let running = missedPeriods(ever, start, start);
          for (const step of steps) {
            now += step;
            const more = missedPeriods(ever, running.from, new Date(now));
            running = { ...more, count: running.count + more.count };
          }
          expect(running).toEqual(missedPeriods(ever, start, new Date(now)));
        },
      ),
    );
  });
});
