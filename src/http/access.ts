/** What a caller needs to use a route; `admin` implies the others (spec 05 section 2). */
export type Scope = 'read' | 'write' | 'admin';

/** Classes of the rate limiter (spec 05 section 6). */
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

/** Every route declares these two in its `config`; a test walks all routes and refuses one without. */
export interface Access {
  /** Needed scope; null: no key is needed. */
  scope: Scope | null;
  rateClass: RateClass;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** Completion is logged at DEBUG: routes that are called all the time. */
    quiet?: boolean;
  }
}

/** Public, apart from its rate class. */
export function open(rateClass: RateClass): { access: Access; quiet: boolean } {
  return { access: { scope: null, rateClass }, quiet: true };
}

export function needs(scope: Scope, rateClass: RateClass = 'management') {
  return { access: { scope, rateClass }, quiet: rateClass === 'heartbeat' };
}
