import { invalid } from '../../platform/errors.ts';
import { parseInstant } from '../../platform/time.ts';
import type { RateLimits } from './rate-class.ts';
import { SCOPES, type Scope } from './scope.ts';

/** What an operator decides about a key (spec 10 section 5). */
export interface KeySettings {
  name: string;
  scopes: Scope[];
  /** Null: never. */
  expires_at: Date | null;
  rate_limits: RateLimits;
}

const MAX_NAME = 255;
/** No control, format, private or unassigned characters: the name stands in logs and beside actions of its owner. */
const PRINTABLE = /^[^\p{C}\p{Zl}\p{Zp}]+$/u;

/** Actors that are no key (spec 05 section 10). */
const RESERVED = /^(anonymous$|system:)/i;

/** The name without blanks at its ends. Throws `bad_request` when it is empty, too long or not printable. */
export function keyName(text: string): string {
  const name = text.trim();
  if (name === '') throw invalid('name', 'must not be empty');
  if ([...name].length > MAX_NAME) throw invalid('name', `must have at most ${MAX_NAME} characters`);
  if (!PRINTABLE.test(name)) throw invalid('name', 'has characters that are not allowed here');
  if (RESERVED.test(name)) throw invalid('name', 'would read like Medic itself in the audit log');
  return name;
}

/** Each scope once, in the order in which they are documented. */
export function keyScopes(given: readonly Scope[]): Scope[] {
  return SCOPES.filter((scope) => given.includes(scope));
}

/** Throws `bad_request` for what is no time, or not in the future. */
export function keyExpiry(text: string | null, now: Date): Date | null {
  if (text === null) return null;
  const expiry = parseInstant(text);
  if (expiry === undefined) throw invalid('expires_at', 'must be a time such as 2026-03-08T08:00:00Z');
  if (expiry.getTime() <= now.getTime()) throw invalid('expires_at', 'must be in the future');
  return expiry;
}
