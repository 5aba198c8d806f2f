import { describe, expect, test } from 'vitest';
import { retryAfterSeconds } from './channels/channel.ts';
import { resultOf } from './deliver.ts';

const NOW = new Date('2026-03-08T08:00:00Z');
const WAITS = [1, 5, 30, 600];
const refused = { kind: 'retry', code: 503, error: 'answered 503' } as const;
const secondsUntil = (instant: Date | null) =>
  instant === null ? null : (instant.getTime() - NOW.getTime()) / 1000;

describe('the schedule of attempts', () => {
  test('waits 1 s, 5 s, 30 s and 10 min, then gives up', () => {
    const waits = [1, 2, 3, 4, 5].map((attempt) =>
      secondsUntil(resultOf(refused, attempt, WAITS, NOW, () => 0).nextAttemptAt),
    );
    expect(waits).toEqual([1, 5, 30, 600, null]);
    expect(resultOf(refused, 5, WAITS, NOW, () => 0)).toMatchObject({ status: 'failed', outcome: 'retry' });
  });

  test('lengthens waits by at most a tenth', () => {
    expect(secondsUntil(resultOf(refused, 3, WAITS, NOW, () => 1).nextAttemptAt)).toBe(33);
  });

  test('obeys the receiver when it asks for a longer wait', () => {
    const asked = (afterSeconds: number) =>
      secondsUntil(resultOf({ ...refused, afterSeconds }, 1, WAITS, NOW, () => 0).nextAttemptAt);
    expect([asked(0.5), asked(45)]).toEqual([1, 45]);
  });

  test('does not repeat what failed for good', () => {
    const result = resultOf({ kind: 'failed', code: 400, error: 'answered 400' }, 1, WAITS, NOW, () => 0);
    expect(result).toMatchObject({ status: 'failed', nextAttemptAt: null, error: 'answered 400' });
  });

  test('keeps 4096 characters of a response', () => {
    const body = 'x\0'.repeat(5000);
    const result = resultOf({ kind: 'sent', code: 202, body }, 1, WAITS, NOW, () => 0);
    expect(result.body).toBe(`${'x'.repeat(4096)}[truncated]`);
  });
});

describe('Retry-After', () => {
  test.each([
    ['45', 45],
    ['86400', 600],
    ['Sun, 08 Mar 2026 08:02:00 GMT', 120],
    ['Sun, 08 Mar 2026 07:00:00 GMT', undefined],
    ['soon', undefined],
    ['', undefined],
    ['0', undefined],
  ])('%s', (header, seconds) => {
    expect(retryAfterSeconds(header, NOW)).toBe(seconds);
  });
});
