import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clearsFailure, isFailureReport, STATUSES, type Status } from './status.ts';
import { absorb, isHealthy, type Report, type Vitality } from './vitality.ts';

const NEW: Vitality = {
  signs: [],
  everAlive: false,
  failureUncleared: false,
  lastHeartbeatAt: null,
  lastStatus: null,
};
const at = (second: number) => new Date(second * 1000);
const vitalityOf = (threshold: number, ...reports: [Status, number][]) =>
  reports.reduce<Vitality>(
    (now, [status, second]) => absorb(now, { status, at: at(second) }, threshold),
    NEW,
  );

describe('the statuses', () => {
  test('are six, of which two report failure and three clear one', () => {
    expect(STATUSES.filter(isFailureReport)).toEqual(['DOWN', 'FAILED']);
    expect(STATUSES.filter(clearsFailure)).toEqual(['UP', 'DEGRADED', 'COMPLETED']);
  });
});

describe('what reports say together', () => {
  test('signs of life are kept newest first, as many as the threshold', () => {
    expect(vitalityOf(2, ['UP', 1], ['UP', 2], ['STARTED', 3]).signs).toEqual([at(3), at(2)]);
  });

  test('a report that arrives out of order takes its place and does not become the newest', () => {
    const { signs, lastStatus } = vitalityOf(3, ['UP', 1], ['UP', 5], ['DEGRADED', 3]);
    expect(signs).toEqual([at(5), at(3), at(1)]);
    expect(lastStatus).toBe('UP');
  });

  test('a failure report voids the signs before it until a clearing sign follows', () => {
    expect(vitalityOf(2, ['UP', 1], ['UP', 2], ['FAILED', 3])).toMatchObject({
      signs: [],
      failureUncleared: true,
    });
    expect(vitalityOf(2, ['FAILED', 3], ['STARTED', 4])).toMatchObject({ failureUncleared: true });
    expect(vitalityOf(2, ['FAILED', 3], ['STARTED', 4], ['COMPLETED', 5])).toMatchObject({
      failureUncleared: false,
      signs: [at(5), at(4)],
    });
  });

  test('health needs a clearing sign and the threshold of signs after the report', () => {
    const rule = {
      mode: 'interval' as const,
      intervalSeconds: 60,
      threshold: 2,
      graceSeconds: 0,
      monitoringSince: at(0),
    };
    expect(isHealthy(vitalityOf(2, ['UP', 1], ['DOWN', 2], ['UP', 3]), rule, at(3))).toBe(false);
    expect(isHealthy(vitalityOf(2, ['DOWN', 2], ['UP', 3], ['UP', 4]), rule, at(4))).toBe(true);
    expect(isHealthy(vitalityOf(2, ['DOWN', 2], ['STARTED', 3], ['STARTED', 4]), rule, at(4))).toBe(false);
    expect(isHealthy(vitalityOf(2, ['DOWN', 2], ['UP', 3], ['UP', 100]), rule, at(100))).toBe(false);
  });

  test('any sequence of reports keeps the signs after the last failure, and only those', () => {
    const reports: fc.Arbitrary<Report[]> = fc
      .array(fc.constantFrom(...STATUSES), { maxLength: 30 })
      .map((statuses) => statuses.map((status, index) => ({ status, at: at(index) })));
    fc.assert(
      fc.property(reports, fc.integer({ min: 1, max: 5 }), (all, threshold) => {
        const result = all.reduce<Vitality>((now, report) => absorb(now, report, threshold), NEW);
        const lastFailure = all.findLastIndex(({ status }) => isFailureReport(status));
        const since = all.slice(lastFailure + 1);
        expect(result.signs).toEqual(
          since
            .map((report) => report.at)
            .reverse()
            .slice(0, threshold),
        );
        expect(result.failureUncleared).toBe(
          lastFailure >= 0 && !since.some(({ status }) => clearsFailure(status)),
        );
        expect(result.lastStatus).toBe(all.at(-1)?.status ?? null);
      }),
    );
  });
});
