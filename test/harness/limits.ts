import { RATE_CLASSES } from '../../src/features/access/rate-class.ts';
import { RateLimits } from '../../src/http/rate-limit.ts';
import { ManualClock } from '../../src/platform/clock.ts';
import { readConfig } from '../../src/platform/config.ts';
import type { Metrics } from '../../src/platform/metrics.ts';
import { MemoryWindow } from '../../src/platform/sliding-window/memory.ts';

/** Limits that nothing reaches, counted in memory, for tests that are not about them. */
export const GENEROUS: Record<string, string> = {
  MEDIC_RATE_LIMITER_TYPE: 'memory',
  ...Object.fromEntries(
    [...RATE_CLASSES, 'auth_failure'].map((name) => [`RATE_LIMIT_${name.toUpperCase()}_REQUESTS`, '1000000']),
  ),
};

/** For a server without the rest of Medic. */
export function generousLimits(metrics: Metrics): RateLimits {
  const clock = new ManualClock(new Date(0));
  const settings = readConfig(GENEROUS);
  return new RateLimits({ window: new MemoryWindow(clock, 60_000), clock, settings, metrics });
}
