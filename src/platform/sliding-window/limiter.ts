import type { Clock } from '../clock.ts';
import type { Settings } from '../config.ts';
import { type Logger, named } from '../logging.ts';
import type { Metrics } from '../metrics.ts';
import { MemoryWindow } from './memory.ts';
import { SharedWindow } from './shared.ts';
import type { SlidingWindow, Taken } from './window.ts';

const TYPES = ['auto', 'redis', 'memory'];

/** The sliding window of this process, in Redis or in memory as the configuration says (spec 05 section 6). */
export class RateLimiter implements SlidingWindow {
  readonly #log: Logger;
  readonly #type: string;
  readonly #memory: MemoryWindow;
  readonly #shared: SharedWindow | undefined;

  constructor(tools: { clock: Clock; log: Logger; metrics: Metrics; settings: Settings }) {
    const { clock, metrics, settings } = tools;
    this.#log = named(tools.log, 'rate-limit');
    this.#type = settings.MEDIC_RATE_LIMITER_TYPE.toLowerCase();
    const windowMs = settings.RATE_LIMIT_WINDOW_SECONDS * 1000;
    this.#memory = new MemoryWindow(clock, windowMs);
    const { REDIS_URL: url, REDIS_POOL_SIZE: poolSize } = settings;
    this.#shared =
      url === undefined || !['auto', 'redis'].includes(this.#type)
        ? undefined
        : new SharedWindow({ url, poolSize, windowMs, log: this.#log }, this.#memory);
    const backend = metrics.gauge('medic_rate_limiter_backend', 'What counts requests now, 1 is in use', [
      'backend',
    ]);
    metrics.beforeScrape(() => {
      for (const name of ['redis', 'memory']) backend.set({ backend: name }, name === this.backend ? 1 : 0);
    });
  }

  get backend(): 'redis' | 'memory' {
    return this.#shared?.backend ?? 'memory';
  }

  /** Whether requests are to be counted in Redis. */
  get usesRedis(): boolean {
    return this.#shared !== undefined;
  }

  /** Resolves when it is decided what counts, after a few seconds at most; until then it is memory. */
  async start(): Promise<void> {
    if (!TYPES.includes(this.#type)) {
      this.#log.warn(
        'MEDIC_RATE_LIMITER_TYPE is none of auto, redis, memory: requests are counted in memory',
      );
    }
    if (this.#shared !== undefined) await this.#shared.start();
    else if (this.#type === 'auto') {
      this.#log.warn('REDIS_URL is not set: every process counts requests for itself');
    }
    this.#log.info({ backend: this.backend }, `requests are counted in ${this.backend}`);
  }

  async stop(): Promise<void> {
    await this.#shared?.stop();
  }

  take(bucket: string, limit: number): Taken | Promise<Taken> {
    return (this.#shared ?? this.#memory).take(bucket, limit);
  }

  peek(bucket: string, limit: number): Taken | Promise<Taken> {
    return (this.#shared ?? this.#memory).peek(bucket, limit);
  }

  /** @returns milliseconds that Redis took to count, or undefined while it does not. */
  async checkRedis(): Promise<number | undefined> {
    return this.#shared?.check();
  }
}
