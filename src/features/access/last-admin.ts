import type { KeySettings } from './key-settings.ts';

type Powers = Pick<KeySettings, 'scopes' | 'expires_at'>;

/**
 * Whether a change of one key would leave nobody who can manage keys: when it ends the power of an admin earlier than
 * before, another admin must still be there at that moment (spec 05 section 2).
 * @param after undefined: the key is revoked
 */
export function locksEverybodyOut(
  before: Powers,
  after: Powers | undefined,
  others: readonly Powers[],
  now: Date,
): boolean {
  const present = now.getTime();
  const end = Math.max(after === undefined ? present : adminUntil(after), present);
  return end < adminUntil(before) && !others.some((other) => adminUntil(other) > end);
}

/** Until when a key can manage keys, in milliseconds; those without the scope never could. */
function adminUntil({ scopes, expires_at: expiry }: Powers): number {
  if (!scopes.includes('admin')) return Number.NEGATIVE_INFINITY;
  return expiry === null ? Number.POSITIVE_INFINITY : expiry.getTime();
}
