import { RateLimits } from '../../src/http/rate-limit.ts';

/** Medic as if it had no rate limiter, to measure what that costs. */
RateLimits.prototype.after = (admission) => admission;

await import('../../src/main.ts');
