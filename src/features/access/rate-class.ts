/** Classes of the rate limiter: every endpoint has exactly one (spec 05 section 6). */
export const RATE_CLASSES = [
  'health',
  'metrics',
  'docs',
  'heartbeat',
  'ping',
  'management',
  'playbook_execute',
  'webhook_trigger',
  'dashboard',
] as const;
export type RateClass = (typeof RATE_CLASSES)[number];

/** Requests per window which a key may make instead of the default of the class. */
export type RateLimits = Partial<Record<RateClass, number>>;
