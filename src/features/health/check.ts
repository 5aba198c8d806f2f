import type { Clock } from '../../platform/clock.ts';
import { type DatabasePool, errorCode, sql } from '../../platform/db.ts';
import { inTime, TimedOut } from '../../platform/in-time.ts';
import { workerLastSeen } from '../../platform/jobs.ts';
import type { RateLimiter } from '../../platform/sliding-window/limiter.ts';

export interface HealthContext {
  db: DatabasePool;
  clock: Clock;
  version: string;
  slack: { tokenSet: boolean; channelSet: boolean };
  pagerDuty: { routingKeySet: boolean };
  limiter: Pick<RateLimiter, 'usesRedis' | 'checkRedis'>;
}

export interface Components {
  database: { status: 'healthy' | 'unhealthy'; latency_ms?: number; error?: string };
  redis: { status: 'healthy' | 'unhealthy' | 'not_configured'; latency_ms?: number };
  worker: { status: 'healthy' | 'unhealthy'; last_seen: string | null };
  slack: {
    status: 'configured' | 'partially_configured' | 'not_configured';
    token_set: boolean;
    channel_set: boolean;
  };
  pagerduty: { status: 'configured' | 'not_configured'; routing_key_set: boolean };
}

const CHECK_TIMEOUT_MS = 2_000;
const SHARED_FOR_MS = 1_000;
const WORKER_SEEN_WITHIN_MS = 60_000;

/** Checks the parts that Medic stands on (spec 07 section 2); callers within a second share one check. */
export class HealthCheck {
  readonly #context: HealthContext;
  #shared: { at: number; components: Promise<Components> } | undefined;

  constructor(context: HealthContext) {
    this.#context = context;
  }

  components(): Promise<Components> {
    const at = performance.now();
    if (this.#shared === undefined || at - this.#shared.at > SHARED_FOR_MS) {
      this.#shared = { at, components: this.#check() };
    }
    return this.#shared.components;
  }

  async #check(): Promise<Components> {
    const { slack, pagerDuty } = this.#context;
    const [database, redis, worker] = await Promise.all([this.#database(), this.#redis(), this.#worker()]);
    const slackParts = [slack.tokenSet, slack.channelSet].filter(Boolean).length;
    return {
      database,
      redis,
      worker,
      slack: {
        status:
          (['not_configured', 'partially_configured', 'configured'] as const)[slackParts] ?? 'configured',
        token_set: slack.tokenSet,
        channel_set: slack.channelSet,
      },
      pagerduty: {
        status: pagerDuty.routingKeySet ? 'configured' : 'not_configured',
        routing_key_set: pagerDuty.routingKeySet,
      },
    };
  }

  async #database(): Promise<Components['database']> {
    const started = performance.now();
    try {
      await inTime(this.#context.db.query(sql`select 1`), CHECK_TIMEOUT_MS);
      return { status: 'healthy', latency_ms: hundredths(performance.now() - started) };
    } catch (error) {
      return { status: 'unhealthy', error: wordFor(error) };
    }
  }

  async #redis(): Promise<Components['redis']> {
    const { limiter } = this.#context;
    if (!limiter.usesRedis) return { status: 'not_configured' };
    const ms = await limiter.checkRedis();
    return ms === undefined ? { status: 'unhealthy' } : { status: 'healthy', latency_ms: hundredths(ms) };
  }

  async #worker(): Promise<Components['worker']> {
    try {
      const seen = await inTime(workerLastSeen(this.#context.db), CHECK_TIMEOUT_MS);
      const fresh =
        seen !== null && this.#context.clock.now().getTime() - seen.getTime() <= WORKER_SEEN_WITHIN_MS;
      return { status: fresh ? 'healthy' : 'unhealthy', last_seen: seen?.toISOString() ?? null };
    } catch {
      return { status: 'unhealthy', last_seen: null };
    }
  }
}

function hundredths(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** A short word, never a database text. */
function wordFor(error: unknown): 'timeout' | 'refused' | 'error' {
  if (error instanceof TimedOut) return 'timeout';
  return ['ECONNREFUSED', 'ENOENT'].includes(errorCode(error)) ? 'refused' : 'error';
}
