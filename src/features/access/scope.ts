/** What a key may do; `admin` implies the others, `write` does not imply `read` (spec 05 section 2). */
export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** @returns whether the scopes of a caller are enough; null: any caller will do. */
export function grants(scopes: readonly Scope[], needed: Scope | null): boolean {
  return needed === null || scopes.includes('admin') || scopes.includes(needed);
}
