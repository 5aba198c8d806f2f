import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scheduleOf } from '../../platform/cron.ts';
import {
  type CronExpectation,
  deadline,
  type Expectation,
  type IntervalExpectation,
  missedPeriods,
  nextLook,
} from './expectation.ts';
import type { Outage } from './outage.ts';

const at = (ms: number) => new Date(ms);
const day = (time: string) => new Date(`2026-03-08T${time}Z`);
const outage = (from: string, to: string): Outage => ({ startedAt: day(from), endedAt: day(to) });

function cron(expression: string, zone: string, graceSeconds: number, since: Date): CronExpectation {
  const schedule = scheduleOf(expression, zone);
  const next = (after: Date) => schedule.next(after);
  return { mode: 'cron', threshold: 1, graceSeconds, monitoringSince: since, next };
}

const nightly = cron('0 2 * * *', 'America/Chicago', 1800, new Date('2026-03-01T00:00:00Z'));
const hourly = (graceSeconds: number) => cron('@hourly', 'UTC', graceSeconds, day('00:00:00'));

describe('cron mode', () => {
  test.each([
    ['the night in which the hour is skipped', '2026-03-07T08:05:00Z', '2026-03-08T08:00:00Z'],
    ['a sign after the occurrence satisfies it', '2026-03-08T08:04:00Z', '2026-03-09T07:00:00Z'],
    ['a sign just before does not', '2026-03-08T07:59:00Z', '2026-03-08T08:00:00Z'],
    ['a sign at the occurrence does', '2026-03-08T08:00:00Z', '2026-03-09T07:00:00Z'],
  ])('expects a sign after each occurrence: %s', (_case, newest, expected) => {
    const { expectedAt, overdueAt } = deadline(nightly, [new Date(newest)]);
    expect(expectedAt).toEqual(new Date(expected));
    expect(overdueAt.getTime() - expectedAt.getTime()).toBe(1_800_000);
  });

  test.each([
    ['before the occurrence and ended before it', 600, '11:00:00', '11:59:59', '12:00:00', '12:10:00'],
    ['until the occurrence', 600, '11:50:00', '12:00:00', '12:00:00', '12:10:00'],
    ['until within the grace', 600, '11:50:00', '12:03:00', '12:00:00', '12:23:00'],
    ['until just before the deadline', 600, '12:00:00', '12:09:59', '12:00:00', '12:19:59'],
    ['from the occurrence to the deadline', 600, '12:00:00', '12:10:00', '13:00:00', '13:10:00'],
    ['over several occurrences', 600, '10:30:00', '14:30:00', '15:00:00', '15:10:00'],
    ['from within the grace on', 600, '12:05:00', '12:35:00', '12:00:00', '12:40:00'],
    ['from the very deadline on', 600, '12:10:00', '12:30:00', '12:00:00', '12:30:00'],
    ['after the deadline', 600, '12:10:00.001', '12:30:00', '12:00:00', '12:10:00'],
  ])('an outage %s', (_case, grace, from, to, expected, overdue) => {
    // The occurrence before the outage was met.
    const newest = from < '11:00:00' ? day('10:01:00') : day('11:00:00');
    expect(deadline(hourly(grace), [newest], [outage(from, to)])).toEqual({
      expectedAt: day(expected),
      overdueAt: day(overdue),
    });
  });

  test('each missed occurrence counts at its deadline, one that lies in an outage does not', () => {
    const gap = [outage('13:59:00', '15:30:00')];
    const count = (now: string) => missedPeriods(hourly(600), day('12:10:00'), day(now), [], gap);
    expect(count('13:10:00')).toMatchObject({ count: 0, until: day('13:10:00') });
    expect(count('13:10:00.001')).toMatchObject({ count: 1, from: day('13:10:00'), until: day('16:10:00') });
    expect(count('16:10:00.001')).toMatchObject({ count: 2, from: day('16:10:00') });
  });
});

/** Instants of some hours, outages of up to ten minutes. */
const instants = fc.integer({ min: 0, max: 7_200_000 }).map(at);
const outages: fc.Arbitrary<Outage[]> = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 2_400_000 }), fc.integer({ min: 10_001, max: 600_000 })), {
    maxLength: 4,
  })
  .map((pairs) => {
    let end = 0;
    return pairs.map(([pause, length]) => {
      const startedAt = at(end + pause);
      end = startedAt.getTime() + length;
      return { startedAt, endedAt: at(end) };
    });
  });
const signs = fc
  .array(instants, { maxLength: 5 })
  .map((all) => all.sort((a, b) => b.getTime() - a.getTime()));

const intervals: fc.Arbitrary<IntervalExpectation> = fc.record({
  mode: fc.constant('interval' as const),
  intervalSeconds: fc.integer({ min: 10, max: 1200 }),
  threshold: fc.integer({ min: 1, max: 3 }),
  graceSeconds: fc.integer({ min: 0, max: 600 }),
  monitoringSince: instants,
});
const crons: fc.Arbitrary<CronExpectation> = fc
  .tuple(
    fc.constantFrom('* * * * *', '*/5 * * * *', '7,8,31 * * * *', '@hourly'),
    fc.integer({ min: 1, max: 900 }),
  )
  .chain(([expression, grace]) => instants.map((since) => cron(expression, 'UTC', grace, since)));
const rules: fc.Arbitrary<Expectation> = fc.oneof(intervals, crons);

const isAway = (now: Date, all: readonly Outage[]) =>
  all.some(({ startedAt, endedAt }) => startedAt < now && now < endedAt);

/** What is known at an instant not long after an outage. */
const moments = fc
  .tuple(
    outages,
    signs,
    fc.nat(4),
    fc.nat(900_000),
    fc.array(fc.integer({ min: -60_000, max: 60_000 }), { maxLength: 3 }),
  )
  .map(([gaps, others, which, since, distances]) => {
    const end = gaps[which % Math.max(1, gaps.length)]?.endedAt.getTime() ?? 0;
    const now = at(end + since);
    const heard = [...others, ...distances.map((distance) => at(Math.max(0, end + distance)))]
      .filter((sign) => sign <= now)
      .sort((a, b) => b.getTime() - a.getTime());
    return { now, heard, known: gaps.filter(({ endedAt }) => endedAt <= now) };
  });

describe('whatever the outages', () => {
  test('the next look is never later than the deadline, also after any sign that comes until then', () => {
    fc.assert(
      fc.property(rules, moments, fc.nat(300_000), (rule, { now, heard, known }, wait) => {
        const look = nextLook(rule, heard, now, known);
        expect(look.getTime()).toBeLessThanOrEqual(deadline(rule, heard, known).overdueAt.getTime());
        const later = deadline(rule, [at(now.getTime() + wait), ...heard], known).overdueAt;
        expect(look.getTime()).toBeLessThanOrEqual(Math.max(later.getTime(), now.getTime()));
      }),
      { numRuns: 3_000 },
    );
  });

  test('the next look lies ahead while the service is in time', () => {
    fc.assert(
      fc.property(rules, moments, (rule, { now, heard, known }) => {
        fc.pre(deadline(rule, heard, known).overdueAt > now && rule.monitoringSince <= now);
        expect(nextLook(rule, heard, now, known).getTime()).toBeGreaterThan(now.getTime());
      }),
    );
  });

  test('no outage makes a deadline earlier', () => {
    fc.assert(
      fc.property(rules, signs, outages, (rule, all, gaps) => {
        const { overdueAt } = deadline(rule, all, gaps);
        expect(overdueAt.getTime()).toBeGreaterThanOrEqual(deadline(rule, all).overdueAt.getTime());
      }),
    );
  });

  test('missed periods are the same in one count as in many', () => {
    fc.assert(
      fc.property(
        rules,
        instants,
        outages,
        fc.array(fc.nat(1_500_000), { maxLength: 8 }),
        (rule, from, gaps, steps) => {
          const known = (now: Date) => gaps.filter(({ endedAt }) => endedAt <= now);
          let now = from;
          let running = missedPeriods(rule, from, now, [], known(now));
          for (const step of steps) {
            now = at(now.getTime() + step);
            // Nobody judges while Medic is away.
            if (isAway(now, gaps)) continue;
            const more = missedPeriods(rule, running.from, now, [], known(now));
            running = { ...more, count: running.count + more.count };
          }
          fc.pre(!isAway(now, gaps));
          expect(running).toEqual(missedPeriods(rule, from, now, [], known(now)));
        },
      ),
    );
  });
});
