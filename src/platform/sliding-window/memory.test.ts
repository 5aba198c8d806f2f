import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../clock.ts';
import { MemoryWindow } from './memory.ts';
import type { Taken } from './window.ts';

const WINDOW = 60_000;
const START = Date.UTC(2040, 2, 1);

function fresh(windowMs = WINDOW, maxBuckets?: number) {
  const clock = new ManualClock(new Date(START));
  return { clock, window: new MemoryWindow(clock, windowMs, maxBuckets) };
}

describe('the window in memory', () => {
  test('a request counts until just before one window later, to the millisecond', () => {
    const { clock, window } = fresh();
    expect(window.take('a', 2)).toEqual({ allowed: true, limit: 2, remaining: 1, resetInMs: 60_000 });
    clock.advance(10_000);
    expect(window.take('a', 2)).toEqual({ allowed: true, limit: 2, remaining: 0, resetInMs: 50_000 });
    clock.advance(49_999);
    expect(window.take('a', 2)).toEqual({ allowed: false, limit: 2, remaining: 0, resetInMs: 1 });
    clock.advance(1);
    expect(window.take('a', 2)).toEqual({ allowed: true, limit: 2, remaining: 0, resetInMs: 10_000 });
    clock.advance(9_999);
    expect(window.take('a', 2).allowed).toBe(false);
    clock.advance(1);
    expect(window.take('a', 2).allowed).toBe(true);
  });

  test('refused requests are not counted: asking all the time does not prolong the wait', () => {
    const { clock, window } = fresh();
    window.take('a', 1);
    for (let second = 1; second < 60; second += 1) {
      clock.advance(1_000);
      expect(window.take('a', 1)).toMatchObject({ allowed: false, resetInMs: 60_000 - second * 1_000 });
    }
    clock.advance(1_000);
    expect(window.take('a', 1).allowed).toBe(true);
  });

  test('peek counts nothing and makes no bucket', () => {
    const { window } = fresh();
    for (let i = 0; i < 10; i += 1)
      expect(window.peek('a', 1)).toMatchObject({ allowed: true, remaining: 1 });
    expect(window.size).toBe(0);
    window.take('a', 1);
    expect(window.peek('a', 1)).toMatchObject({ allowed: false, remaining: 0 });
  });

  test('a lowered limit refuses and tells no negative number', () => {
    const { window } = fresh();
    for (let i = 0; i < 5; i += 1) window.take('a', 5);
    expect(window.take('a', 2)).toMatchObject({ allowed: false, remaining: 0 });
  });

  test('idle buckets are freed', () => {
    const { clock, window } = fresh();
    for (let i = 0; i < 1_000; i += 1) window.take(`address:${i}`, 5);
    clock.advance(WINDOW);
    window.take('other', 5);
    clock.advance(WINDOW);
    window.take('other', 5);
    expect(window.size).toBe(1);
  });

  test('the number of buckets is bounded, and those in use stay', () => {
    const { window } = fresh(WINDOW, 100);
    window.take('kept', 5);
    for (let i = 0; i < 10_000; i += 1) {
      window.take(`address:${i}`, 5);
      if (i % 50 === 0) window.take('kept', 5);
    }
    expect(window.size).toBeLessThanOrEqual(201);
    expect(window.take('kept', 5).allowed).toBe(false);
  });

  test('a clock that goes back a little opens nothing, one that is set back by hours locks nobody out', () => {
    const { clock, window } = fresh();
    clock.advance(3_600_000);
    window.take('a', 1);
    clock.advance(-500);
    expect(window.take('a', 1)).toMatchObject({ allowed: false, resetInMs: 60_000 });
    clock.advance(-3_000_000);
    expect(window.take('a', 1).allowed).toBe(true);
  });

  test('an hour of requests beyond every limit costs memory for the milliseconds of a window only', () => {
    const { clock, window } = fresh(1_000);
    for (let ms = 0; ms < 20_000; ms += 1) {
      for (let i = 0; i < 10; i += 1) window.take('a', 1_000_000_000);
      clock.advance(1);
    }
    expect(window.peek('a', 1_000_000_000).remaining).toBe(1_000_000_000 - 9_990);
  });

  test('it answers like a list of instants that is searched anew each time', () => {
    const step = fc.record({
      bucket: fc.constantFrom('a', 'b'),
      limit: fc.integer({ min: 1, max: 6 }),
      peek: fc.boolean(),
      pause: fc.oneof(fc.constantFrom(0, 0, 1, 99, 100, 101), fc.integer({ min: 0, max: 250 })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const { clock, window } = fresh(100, 2);
        const naive = new NaiveWindow(100);
        for (const { bucket, limit, peek, pause } of steps) {
          clock.advance(pause);
          const now = clock.now().getTime();
          const taken = peek ? window.peek(bucket, limit) : window.take(bucket, limit);
          expect(taken).toEqual(naive.ask(bucket, limit, now, !peek));
        }
      }),
      { numRuns: 500 },
    );
  });
});

class NaiveWindow {
  readonly #windowMs: number;
  #requests: { bucket: string; at: number }[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  ask(bucket: string, limit: number, now: number, counts: boolean): Taken {
    const inWindow = () =>
      this.#requests.filter((one) => one.bucket === bucket && one.at + this.#windowMs > now);
    const allowed = inWindow().length < limit;
    if (allowed && counts) this.#requests.push({ bucket, at: now });
    const counted = inWindow();
    const oldest = counted[0]?.at ?? now;
    const remaining = Math.max(0, limit - counted.length);
    return { allowed, limit, remaining, resetInMs: oldest + this.#windowMs - now };
  }
}
