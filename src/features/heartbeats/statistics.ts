export const RUN_STATUSES = ['STARTED', 'COMPLETED', 'FAILED', 'STALE_ALERTED'] as const;

/** Runs that statistics are made of: the newest of those with a duration (spec 02 section 5). */
export const POPULATION = 100;
const FEWEST = 5;

export interface RunStatistics {
  run_count: number;
  avg_duration_ms: number | null;
  p50_duration_ms: number | null;
  p95_duration_ms: number | null;
  p99_duration_ms: number | null;
  min_duration_ms: number | null;
  max_duration_ms: number | null;
}

/** Statistics of durations in whole milliseconds; all null for fewer than five (spec 02 section 5). */
export function runStatistics(durations: readonly number[]): RunStatistics {
  const sorted = [...durations].sort((a, b) => a - b);
  const enough = sorted.length >= FEWEST;
  const of = (value: () => number) => (enough ? value() : null);
  return {
    run_count: sorted.length,
    avg_duration_ms: of(() => average(sorted)),
    p50_duration_ms: of(() => percentile(sorted, 50)),
    p95_duration_ms: of(() => percentile(sorted, 95)),
    p99_duration_ms: of(() => percentile(sorted, 99)),
    min_duration_ms: of(() => sorted[0] ?? 0),
    max_duration_ms: of(() => sorted.at(-1) ?? 0),
  };
}

/**
 * The p-th percentile of sorted whole numbers: linear between the two nearest, truncated. Of none it is 0.
 * In whole numbers throughout, so that no unit is lost to binary rounding.
 */
export function percentile(sorted: readonly number[], p: number): number {
  if (sorted.length === 0) return 0;
  const position = (sorted.length - 1) * p;
  const lower = Math.floor(position / 100);
  const low = BigInt(sorted[lower] ?? 0);
  const high = BigInt(sorted[lower + 1] ?? sorted[lower] ?? 0);
  const hundredths = BigInt(position - lower * 100);
  return Number(low + ((high - low) * hundredths) / 100n);
}

/** Rounded to 2 decimals. */
function average(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + BigInt(value), 0n);
  const count = BigInt(values.length);
  const hundredths = (sum * 200n + count) / (count * 2n);
  return Number(hundredths) / 100;
}
