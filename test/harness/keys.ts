import { newKey, prefixOf } from '../../src/features/access/key.ts';
import type { Scope } from '../../src/features/access/scope.ts';
import { sql } from '../../src/platform/db.ts';
import type { TestMedic } from './medic.ts';

/** Stores a key as Medic does. @returns the header that sends it, its id and itself. */
export async function keyWith(
  medic: TestMedic,
  scopes: readonly Scope[],
  { name = `${scopes.join('+')} ${newKey()}`, expiresAt = null as Date | null, hash = '' } = {},
) {
  const key = newKey();
  const stored = hash === '' ? await medic.parts.keys.hasher.hash(key) : hash;
  const now = medic.clock.now();
  const { rows } = await medic.db.query<{ api_key_id: number }>(sql`
    insert into medic.api_keys (name, key_prefix, key_hash, scopes, expires_at, created_at, updated_at)
    values (${name}, ${prefixOf(key)}, ${stored}, ${[...scopes]}, ${expiresAt}, ${now}, ${now})
    returning api_key_id`);
  return { key, name, id: rows[0]?.api_key_id ?? 0, authorization: `Bearer ${key}` };
}
