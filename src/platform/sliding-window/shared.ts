import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logging.ts';
import { repeat } from '../repeat.ts';
import type { MemoryWindow } from './memory.ts';
import { RedisWindow } from './redis.ts';
import type { SlidingWindow, Taken } from './window.ts';

export interface SharedOptions {
  url: string;
  poolSize: number;
  windowMs: number;
  log: Logger;
}

/** Pause between attempts to reach a Redis that is away; together with the attempt below the 10 s of the spec. */
const RETRY_MS = 1_000;
const WARN_EVERY_MS = 60_000;

/**
 * Counts in Redis while it answers, else in memory (spec 05 section 6). The first question that fails turns to memory
 * for all that follow, so that one of them waits for a Redis that is away, and no more; another try is made in the
 * background.
 */
export class SharedWindow implements SlidingWindow {
  readonly #options: SharedOptions;
  readonly #memory: MemoryWindow;
  readonly #stopped = new AbortController();
  #redis: RedisWindow | undefined;
  #retrying: Promise<void> | undefined;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SharedOptions, memory: MemoryWindow) {
    this.#options = options;
    this.#memory = memory;
  }

  get backend(): 'redis' | 'memory' {
    return this.#redis === undefined ? 'memory' : 'redis';
  }

  /** Resolves after the first attempt to reach Redis, whatever comes of it. */
  async start(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      this.#warn(error);
      this.#retry();
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#retrying;
    this.#redis?.close();
    this.#redis = undefined;
  }

  take(bucket: string, limit: number): Taken | Promise<Taken> {
    return this.#ask(bucket, limit, true);
  }

  peek(bucket: string, limit: number): Taken | Promise<Taken> {
    return this.#ask(bucket, limit, false);
  }

  /** @returns milliseconds that Redis took, or undefined while it does not count. */
  async check(): Promise<number | undefined> {
    const redis = this.#redis;
    try {
      return await redis?.probe();
    } catch (error) {
      this.#lose(redis, error);
      return undefined;
    }
  }

  #ask(bucket: string, limit: number, counts: boolean): Taken | Promise<Taken> {
    const redis = this.#redis;
    if (redis === undefined) return this.#inMemory(bucket, limit, counts);
    return redis.ask(bucket, limit, counts).catch((error: unknown) => {
      this.#lose(redis, error);
      return this.#inMemory(bucket, limit, counts);
    });
  }

  #inMemory(bucket: string, limit: number, counts: boolean): Taken {
    return counts ? this.#memory.take(bucket, limit) : this.#memory.peek(bucket, limit);
  }

  async #connect(): Promise<void> {
    const { url, poolSize, windowMs } = this.#options;
    const redis = await RedisWindow.connect(url, poolSize, windowMs);
    if (this.#stopped.signal.aborted) redis.close();
    else this.#redis = redis;
  }

  /** Many questions may fail of one loss; the first one tells. */
  #lose(redis: RedisWindow | undefined, error: unknown): void {
    if (redis === undefined || redis !== this.#redis) return;
    this.#redis = undefined;
    redis.close();
    if (this.#stopped.signal.aborted) return;
    this.#warn(error);
    this.#retry();
  }

  #retry(): void {
    const { log } = this.#options;
    const back = new AbortController();
    const until = AbortSignal.any([this.#stopped.signal, back.signal]);
    const attempt = async () => {
      try {
        await this.#connect();
        log.info('Redis answers again and counts requests');
        back.abort();
      } catch (error) {
        this.#warn(error);
      }
      return RETRY_MS;
    };
    // Not at once: one that answers the attempt and fails the next question would be connected to all the time.
    this.#retrying = sleep(RETRY_MS, undefined, { signal: until })
      .catch(() => {})
      .then(() => repeat('rate-limit', log, until, attempt));
  }

  #warn(error: unknown): void {
    const now = performance.now();
    if (now - this.#warnedAt < WARN_EVERY_MS) return;
    this.#warnedAt = now;
    this.#options.log.warn(
      { reason: (error as { message?: string }).message },
      'Redis does not answer: every process counts requests for itself until it does',
    );
  }
}
