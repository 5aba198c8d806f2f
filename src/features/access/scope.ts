/** What a key may do; `admin` implies the others, `write` does not imply `read` (spec 05 section 2). */
export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** @returns whether the scopes of a caller are enough; `any`: whatever they are. */
export function grants(scopes: readonly Scope[], needed: Scope | 'any'): boolean {
  return needed === 'any' || scopes.includes('admin') || scopes.includes(needed);
}
