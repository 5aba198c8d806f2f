import type { Clock } from '../clock.ts';
import type { SlidingWindow, Taken } from './window.ts';

/**
 * Buckets of one generation; above that the older generation is forgotten early. Whoever commands so many addresses
 * is not held by a limit for each of them, and must not fill the memory either.
 */
const MAX_BUCKETS = 200_000;

/**
 * The sliding window of one process: an exact log for each bucket, in which requests of the same millisecond are one
 * entry, so that a large limit costs no more than the window has milliseconds.
 *
 * Buckets are kept in two generations that take turns each window. What was not used for a whole turn can hold
 * nothing that still counts and goes with its generation: no timer, no search.
 */
export class MemoryWindow implements SlidingWindow {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #maxBuckets: number;
  #recent = new Map<string, Log>();
  #older = new Map<string, Log>();
  #turnAt = Number.NEGATIVE_INFINITY;
  #latest = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, windowMs: number, maxBuckets = MAX_BUCKETS) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#maxBuckets = maxBuckets;
  }

  /** Buckets in memory. */
  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  take(bucket: string, limit: number): Taken {
    const now = this.#now();
    const log = this.#open(bucket);
    log.forget(now - this.#windowMs);
    const allowed = log.total < limit;
    if (allowed) log.add(now);
    return this.#taken(log, allowed, limit, now);
  }

  peek(bucket: string, limit: number): Taken {
    const now = this.#now();
    const log = this.#recent.get(bucket) ?? this.#older.get(bucket);
    if (log === undefined) return { allowed: limit > 0, limit, remaining: limit, resetInMs: this.#windowMs };
    log.forget(now - this.#windowMs);
    return this.#taken(log, log.total < limit, limit, now);
  }

  #taken(log: Log, allowed: boolean, limit: number, now: number): Taken {
    const remaining = Math.max(0, limit - log.total);
    return { allowed, limit, remaining, resetInMs: (log.oldest ?? now) + this.#windowMs - now };
  }

  /** Never goes back, except for a clock that was set back by more than a window: then all that is counted is void. */
  #now(): number {
    const now = this.#clock.now().getTime();
    if (now < this.#latest - this.#windowMs) {
      this.#recent = new Map();
      this.#older = new Map();
      this.#turnAt = this.#latest = now;
    }
    if (now > this.#latest) this.#latest = now;
    if (this.#latest >= this.#turnAt || this.#recent.size >= this.#maxBuckets) {
      this.#older = this.#recent;
      this.#recent = new Map();
      this.#turnAt = this.#latest + this.#windowMs;
    }
    return this.#latest;
  }

  #open(bucket: string): Log {
    let log = this.#recent.get(bucket);
    if (log !== undefined) return log;
    log = this.#older.get(bucket) ?? new Log();
    this.#older.delete(bucket);
    this.#recent.set(bucket, log);
    return log;
  }
}

/** Consumed entries are cut off when there are this many numbers of them, and they are the larger part. */
const CUT_FROM = 64;

/** Instants and how many requests each of them had, in one array that costs little when it is short. */
class Log {
  #entries: number[] = [];
  #head = 0;
  total = 0;

  /** Of the first request that counts. */
  get oldest(): number | undefined {
    return this.#entries[this.#head];
  }

  add(at: number): void {
    const entries = this.#entries;
    const last = entries.length - 2;
    if (last >= this.#head && entries[last] === at) (entries[last + 1] as number) += 1;
    else entries.push(at, 1);
    this.total += 1;
  }

  /** Forgets what came at `until` or before. */
  forget(until: number): void {
    const entries = this.#entries;
    let head = this.#head;
    while (head < entries.length && (entries[head] as number) <= until) {
      this.total -= entries[head + 1] as number;
      head += 2;
    }
    if (head >= CUT_FROM && head * 2 > entries.length) {
      this.#entries = entries.slice(head);
      head = 0;
    }
    this.#head = head;
  }
}
