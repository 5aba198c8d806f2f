import fc from 'fast-check';
import { expect, test } from 'vitest';
import { percentile, runStatistics } from './statistics.ts';

test('the examples of the specification', () => {
  const ten = Array.from({ length: 10 }, (_, index) => (index + 1) * 1000);
  expect(runStatistics(ten)).toMatchObject({
    run_count: 10,
    avg_duration_ms: 5500,
    p50_duration_ms: 5500,
    p95_duration_ms: 9550,
    p99_duration_ms: 9910,
    min_duration_ms: 1000,
    max_duration_ms: 10_000,
  });
  expect(runStatistics([9000, 1200, 1400, 1250, 1300])).toMatchObject({
    avg_duration_ms: 2830,
    p50_duration_ms: 1300,
    p95_duration_ms: 7480,
    p99_duration_ms: 8696,
  });
});

test('the percentile of one value is the value, of two their middle, of none 0', () => {
  expect([percentile([7], 99), percentile([1000, 2000], 50), percentile([], 50)]).toEqual([7, 1500, 0]);
});

test('fewer than five runs tell their number and nothing else', () => {
  expect(runStatistics([1, 2, 3, 4])).toEqual({
    run_count: 4,
    avg_duration_ms: null,
    p50_duration_ms: null,
    p95_duration_ms: null,
    p99_duration_ms: null,
    min_duration_ms: null,
    max_duration_ms: null,
  });
});

test('the average is rounded to two decimals', () => {
  expect(runStatistics([1, 1, 1, 1, 1, 2]).avg_duration_ms).toBe(1.17);
  expect(runStatistics([0, 0, 0, 0, 0, 0, 0, 1]).avg_duration_ms).toBe(0.13);
});

test('no unit is lost: percentiles agree with exact fractions, however long the runs', () => {
  const durations = fc.array(fc.integer({ min: 0, max: 2 ** 45 }), { minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(durations, fc.constantFrom(50, 95, 99), (values, p) => {
      const sorted = values.sort((a, b) => a - b);
      const numerator = BigInt((sorted.length - 1) * p);
      const index = Number(numerator / 100n);
      const exact =
        BigInt(sorted[index] ?? 0) * (100n - (numerator % 100n)) +
        BigInt(sorted[index + 1] ?? 0) * (numerator % 100n);
      expect(BigInt(percentile(sorted, p))).toBe(exact / 100n);
    }),
  );
});
