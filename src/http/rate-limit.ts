import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Identity } from '../features/access/identity.ts';
import { RATE_CLASSES, type RateClass } from '../features/access/rate-class.ts';
import type { Sender } from '../features/access/verify.ts';
import type { Clock } from '../platform/clock.ts';
import type { Settings } from '../platform/config.ts';
import { MedicError } from '../platform/errors.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { SlidingWindow, Taken } from '../platform/sliding-window/window.ts';
import type { TrustedProxies } from '../platform/trusted-proxies.ts';
import { clientAddress } from './client-address.ts';

/** What has a limit: the classes of endpoints, and failed authentications. */
type Limited = RateClass | 'auth_failure';
const LIMITED: readonly Limited[] = [...RATE_CLASSES, 'auth_failure'];

type Done = (error?: Error) => void;

export interface RateLimitOptions {
  window: SlidingWindow;
  clock: Clock;
  settings: Settings;
  metrics: Metrics;
}

/**
 * Nobody asks more often than the class of an endpoint allows, and every answer says how often that is (spec 05
 * section 6).
 */
export class RateLimits {
  readonly #window: SlidingWindow;
  readonly #clock: Clock;
  readonly #limits: Record<Limited, number>;
  readonly #trustedProxies: TrustedProxies | undefined;
  readonly #hits;

  constructor({ window, clock, settings, metrics }: RateLimitOptions) {
    this.#window = window;
    this.#clock = clock;
    this.#limits = limitsOf(settings);
    this.#trustedProxies = settings.MEDIC_TRUST_PROXY;
    this.#hits = metrics.counter('medic_rate_limit_hits_total', 'Requests over a limit', ['endpoint_type']);
    for (const limited of LIMITED) this.#hits.inc({ endpoint_type: limited }, 0);
  }

  /**
   * Lets `admission` find out who calls, then counts: the caller, or, when nobody knows who that is, its address. What was
   * refused for its number of failures was not even looked at and is not counted.
   */
  after(admission: onRequestHookHandler): onRequestHookHandler {
    const limits = this;
    return function (request, reply, done) {
      admission.call(this, request, reply, (refusal?: Error) => {
        if (refusal instanceof MedicError && refusal.code === 'rate_limited') done(refusal);
        else limits.count(request, reply, refusal, done);
      });
    };
  }

  /** Counts a request that was or was not let in, tells where its bucket stands, and hands on what refuses it. */
  count(request: FastifyRequest, reply: FastifyReply, refusal: Error | undefined, done: Done): void {
    const { identity, routeOptions } = request;
    const { access, bucket } = routeOptions.config;
    const rateClass = classOf(access?.rateClass ?? 'management', identity);
    const own =
      refusal === undefined && bucket !== undefined ? bucket(request) : callerOf(rateClass, identity);
    const take = (caller: string | undefined) => {
      const name = `${rateClass}:${caller ?? this.#addressOf(request)}`;
      const limit = ownLimit(rateClass, identity) ?? this.#limits[rateClass];
      whenKnown(
        this.#window.take(name, limit),
        (taken) => {
          reply.headers(this.#headersOf(taken));
          done(taken.allowed ? refusal : this.#refusal(rateClass, taken));
        },
        done,
      );
    };
    whenKnown(own, take, done);
  }

  /** Counts what arrived on a connection and is not even a request: by its peer, since nothing of it can be read. */
  countUnread(
    peer: string | undefined,
    done: (headers: Record<string, number>, refusal?: MedicError) => void,
  ) {
    const name = `management:address:${clientAddress(peer, undefined, undefined)}`;
    const answer = (taken: Taken) =>
      done(this.#headersOf(taken), taken.allowed ? undefined : this.#refusal('management', taken));
    whenKnown(this.#window.take(name, this.#limits.management), answer, () => done({}));
  }

  /**
   * What `verify` finds out about a credential. When too many from this address were wrong, it is refused unseen, also
   * when they turned out so only while this one waited; keys that are known already should not get here.
   */
  async guarded<T>(
    request: Pick<FastifyRequest, 'raw'>,
    reply: { headers(values: Record<string, number>): unknown },
    verify: (sender: Sender) => Promise<T>,
    isWrong: (result: T) => boolean,
  ): Promise<T> {
    const address = this.#addressOf(request);
    const bucket = `auth_failure:${address}`;
    const limit = this.#limits.auth_failure;
    let refusal: MedicError | undefined;
    const admit = async () => {
      if (refusal !== undefined) throw refusal;
      const standing = await this.#window.peek(bucket, limit);
      if (standing.allowed) return;
      reply.headers(this.#headersOf(standing));
      refusal = this.#refusal('auth_failure', standing);
      throw refusal;
    };
    await admit();
    // Whoever sent the same key at the same time shares the outcome, but is told by itself.
    const result = await verify({ address, admit }).catch((error) =>
      admit().then(() => Promise.reject(error)),
    );
    if (isWrong(result)) await this.#window.take(bucket, limit);
    return result;
  }

  #addressOf({ raw }: Pick<FastifyRequest, 'raw'>): string {
    const forwarded = raw.headers['x-forwarded-for'];
    return `address:${clientAddress(raw.socket.remoteAddress, forwarded, this.#trustedProxies)}`;
  }

  #headersOf({ limit, remaining, resetInMs }: Taken): Record<string, number> {
    const resetAt = Math.ceil((this.#clock.now().getTime() + resetInMs) / 1000);
    return { 'x-ratelimit-limit': limit, 'x-ratelimit-remaining': remaining, 'x-ratelimit-reset': resetAt };
  }

  #refusal(limited: Limited, { resetInMs }: Taken): MedicError {
    this.#hits.inc({ endpoint_type: limited });
    const retryAfter = Math.max(1, Math.ceil(resetInMs / 1000));
    return new MedicError('rate_limited', 'Rate limit exceeded', { retryAfter });
  }
}

function limitsOf(settings: Settings): Record<Limited, number> {
  const variable = (limited: Limited) =>
    `RATE_LIMIT_${limited.toUpperCase() as Uppercase<Limited>}_REQUESTS` as const;
  return Object.fromEntries(LIMITED.map((limited) => [limited, settings[variable(limited)]])) as Record<
    Limited,
    number
  >;
}

/** What a session does counts as `dashboard`, except for playbooks (spec 05 section 5). */
function classOf(declared: RateClass, identity: Identity | undefined): RateClass {
  const isOfSession = (identity?.sessionId ?? null) !== null;
  return isOfSession && (declared === 'management' || declared === 'heartbeat') ? 'dashboard' : declared;
}

/** What a stored key has of its own; a value that is no number of requests counts for nothing. */
function ownLimit(rateClass: RateClass, identity: Identity | undefined): number | undefined {
  const limit: unknown = identity?.rateLimits[rateClass];
  return Number.isSafeInteger(limit) && (limit as number) >= 0 ? (limit as number) : undefined;
}

/** Whose bucket a request counts in; undefined: that of its address. */
function callerOf(rateClass: RateClass, identity: Identity | undefined): string | undefined {
  if (identity === undefined) return undefined;
  if (rateClass === 'dashboard') {
    return identity.sessionId === null ? undefined : `session:${identity.sessionId}`;
  }
  return identity.apiKeyId === null ? undefined : `key:${identity.apiKeyId}`;
}

/** Goes on at once with what is known at once: waiting for a promise costs more than counting. */
function whenKnown<T>(value: T | Promise<T>, next: (value: T) => void, failed: Done): void {
  if (value instanceof Promise) value.then(next, failed);
  else next(value);
}
