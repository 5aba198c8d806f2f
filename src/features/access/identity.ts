import type { RateLimits } from './rate-class.ts';
import { SCOPES, type Scope } from './scope.ts';

/** Who makes a request, as far as was proven. */
export interface Identity {
  /** Null for `anonymous`. */
  readonly apiKeyId: number | null;
  /** The name of the key: the actor of everything the caller does. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Replace the defaults of their classes for this key. */
  readonly rateLimits: RateLimits;
  /** The end of the key, or of the session that carried the request; null: never. */
  readonly expiresAt: Date | null;
  /** Of the dashboard session that carried the request; null for a bearer. */
  readonly sessionId: string | null;
}

/** The caller of a server without authentication (spec 05 section 1). */
export const ANONYMOUS: Identity = {
  apiKeyId: null,
  name: 'anonymous',
  scopes: SCOPES,
  rateLimits: {},
  expiresAt: null,
  sessionId: null,
};
