import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterReceiving, extended, type Outage, outageSeconds, receivingTime } from './outage.ts';

const day = (time: string) => new Date(`2026-03-08T${time}Z`);
const outage = (from: string, to: string): Outage => ({ startedAt: day(from), endedAt: day(to) });
const at = (ms: number) => new Date(ms);

const instants = fc.integer({ min: 0, max: 2_000_000 }).map(at);
const lengths = fc.integer({ min: 0, max: 1_000_000 });

/** Outages as they are recorded: each longer than 10 s, one after the other. */
const outages: fc.Arbitrary<Outage[]> = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 300_000 }), fc.integer({ min: 10_001, max: 300_000 })), {
    maxLength: 5,
  })
  .map((pairs) => {
    let end = 0;
    return pairs.map(([pause, length]) => {
      const startedAt = at(end + pause);
      end = startedAt.getTime() + length;
      return { startedAt, endedAt: at(end) };
    });
  });

describe('a deadline with its amnesty', () => {
  test.each([
    ['the example of the specification', '12:00:30', '11:59:30', 60, '12:04:00'],
    ['a grace that outlasts the whole period', '12:02:30', '11:59:30', 60, '12:05:30'],
    ['without a whole period', '12:00:30', '11:59:30', 0, '12:03:30'],
    ['a deadline at the very start was not passed', '12:00:00', '11:59:00', 60, '12:04:00'],
    ['a deadline that had passed gets nothing', '11:59:59.999', '11:58:00', 60, '11:59:59.999'],
    ['a sign at the very end gets nothing', '12:04:00', '12:03:00', 60, '12:04:00'],
    ['a sign just after the last record counts as before it', '12:01:04', '12:00:04', 60, '12:04:04'],
    [
      'a sign that was heard as the outage ended gets no more than its rest',
      '12:04:02',
      '12:03:00',
      62,
      '12:04:02',
    ],
    ['nor before the rest of it', '12:03:59', '12:02:59', 60, '12:04:00'],
  ])('%s', (_case, deadline, anchor, periodSeconds, result) => {
    const gap = [outage('12:00:00', '12:03:00')];
    expect(extended(day(deadline), day(anchor), gap, periodSeconds * 1000)).toEqual(day(result));
  });

  test('of several outages counts each that began before the deadline as it then was', () => {
    const gaps = [
      outage('12:00:00', '12:03:00'),
      outage('12:03:50', '12:04:10'),
      outage('12:09:00', '12:10:00'),
    ];
    expect(extended(day('12:00:30'), day('11:59:30'), gaps, 60_000)).toEqual(day('12:05:10'));
  });

  test('is never earlier than without', () => {
    fc.assert(
      fc.property(instants, lengths, outages, lengths, (anchor, length, all, periodMs) => {
        const deadline = at(anchor.getTime() + length);
        expect(extended(deadline, anchor, all, periodMs).getTime()).toBeGreaterThanOrEqual(
          deadline.getTime(),
        );
      }),
    );
  });

  test('is not touched by what ended before its anchor or began after it', () => {
    fc.assert(
      fc.property(instants, lengths, outages, lengths, (anchor, length, all, periodMs) => {
        const deadline = at(anchor.getTime() + length);
        const result = extended(deadline, anchor, all, periodMs);
        const touching = all.filter(({ startedAt, endedAt }) => endedAt > anchor && startedAt <= result);
        expect(extended(deadline, anchor, touching, periodMs)).toEqual(result);
        const elsewhere = all.filter(({ startedAt, endedAt }) => endedAt <= anchor || startedAt > deadline);
        const alone = elsewhere.length === all.length;
        if (alone) expect(result).toEqual(deadline);
      }),
    );
  });

  test('lies at least the whole period after each outage that touched it', () => {
    fc.assert(
      fc.property(instants, outages, lengths, (anchor, all, periodMs) => {
        const deadline = at(anchor.getTime() + periodMs);
        const result = extended(deadline, anchor, all, periodMs);
        for (const { startedAt, endedAt } of all) {
          if (endedAt <= anchor || startedAt > result) continue;
          expect(result.getTime()).toBeGreaterThanOrEqual(endedAt.getTime() + periodMs);
        }
      }),
    );
  });

  test('never exceeds the deadline by more than the outages and a period for each', () => {
    fc.assert(
      fc.property(instants, outages, lengths, (anchor, all, periodMs) => {
        const deadline = at(anchor.getTime() + periodMs);
        const more = extended(deadline, anchor, all, periodMs).getTime() - deadline.getTime();
        const length = all.reduce((sum, one) => sum + one.endedAt.getTime() - one.startedAt.getTime(), 0);
        expect(more).toBeLessThanOrEqual(length + all.length * periodMs);
      }),
    );
  });
});

describe('receiving time', () => {
  test('is the time outside of outages', () => {
    const gaps = [outage('12:01:00', '12:02:00'), outage('12:05:00', '12:05:20')];
    expect(receivingTime(day('12:00:00'), day('12:10:00'), gaps)).toBe(520_000);
    expect(receivingTime(day('12:01:30'), day('12:05:10'), gaps)).toBe(180_000);
    expect(receivingTime(day('12:01:10'), day('12:01:50'), gaps)).toBe(0);
    expect(receivingTime(day('12:02:00'), day('12:05:00'), gaps)).toBe(180_000);
  });

  test('has passed at the instant that is computed from it, and not before', () => {
    fc.assert(
      fc.property(instants, fc.integer({ min: 1, max: 1_000_000 }), outages, (from, ms, all) => {
        const after = afterReceiving(from, ms, all);
        expect(receivingTime(from, after, all)).toBe(ms);
        expect(receivingTime(from, at(after.getTime() - 1), all)).toBe(ms - 1);
      }),
    );
  });

  test('gives back an instant that lies in no outage', () => {
    fc.assert(
      fc.property(instants, lengths, outages, (from, length, all) => {
        const to = at(from.getTime() + length);
        const outside = !all.some(({ startedAt, endedAt }) => startedAt < to && to <= endedAt);
        fc.pre(outside && to > from);
        expect(afterReceiving(from, receivingTime(from, to, all), all)).toEqual(to);
      }),
    );
  });

  test('is the same when an outage is recorded as two that adjoin', () => {
    fc.assert(
      fc.property(instants, lengths, outages, fc.nat(), (from, length, all, cut) => {
        const split = all.flatMap(({ startedAt, endedAt }) => {
          const whole = endedAt.getTime() - startedAt.getTime();
          const middle = at(startedAt.getTime() + 1 + (cut % (whole - 1)));
          return [
            { startedAt, endedAt: middle },
            { startedAt: middle, endedAt },
          ];
        });
        const to = at(from.getTime() + length);
        expect(receivingTime(from, to, split)).toBe(receivingTime(from, to, all));
        expect(afterReceiving(from, length, split)).toEqual(afterReceiving(from, length, all));
      }),
    );
  });

  test('adds up', () => {
    fc.assert(
      fc.property(instants, lengths, lengths, outages, (from, first, second, all) => {
        const middle = at(from.getTime() + first);
        const to = at(middle.getTime() + second);
        expect(receivingTime(from, middle, all) + receivingTime(middle, to, all)).toBe(
          receivingTime(from, to, all),
        );
      }),
    );
  });
});

test('a message tells whole seconds of outage since the newest sign, or the beginning of monitoring', () => {
  const judging = { now: day('12:10:00'), outages: [outage('12:00:00', '12:03:00.400')] };
  expect(outageSeconds(day('09:00:00'), [day('11:59:00')], judging)).toBe(180);
  expect(outageSeconds(day('09:00:00'), [], judging)).toBe(180);
  expect(outageSeconds(day('12:04:00'), [day('11:59:00')], judging)).toBe(0);
});
