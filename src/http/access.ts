import type { Identity } from '../features/access/identity.ts';
import type { RateClass } from '../features/access/rate-class.ts';
import { grants, type Scope } from '../features/access/scope.ts';

/** Every route declares these two in its `config`; a test walks all routes and refuses one without. */
export interface Access {
  /** Needed scope; `any`: a key, whatever its scopes; null: no key is needed. */
  scope: Scope | 'any' | null;
  rateClass: RateClass;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /**
     * Whose requests of a route are counted together, where that is neither a key nor a session; undefined: those of
     * the address.
     */
    bucket?: (request: FastifyRequest) => string | undefined | Promise<string | undefined>;
    /** Completion is logged at DEBUG: routes that are called all the time. */
    quiet?: boolean;
  }
  interface FastifyRequest {
    /** Who calls; undefined on routes that need no key and got none. */
    identity: Identity | undefined;
  }
}

/** The name under which an action of this request is recorded (spec 05 section 10). */
export function actorOf({ identity }: { identity: Identity | undefined }): string {
  return identity?.name ?? 'anonymous';
}

/** Whether the caller may do more than the route asks for. */
export function may({ identity }: { identity: Identity | undefined }, scope: Scope): boolean {
  return identity !== undefined && grants(identity.scopes, scope);
}

/** Public, apart from its rate class. */
export function open(rateClass: RateClass): { access: Access; quiet: boolean } {
  return { access: { scope: null, rateClass }, quiet: true };
}

export function needs(scope: Scope | 'any', rateClass: RateClass = 'management') {
  return { access: { scope, rateClass }, quiet: rateClass === 'heartbeat' };
}
