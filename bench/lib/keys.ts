import { KeyHasher } from '../../src/features/access/hash.ts';
import type { MedicChild } from './children.ts';
import { onDatabase } from './database.ts';

/** Stores keys with every scope, hashed as Medic hashes them. */
export async function storeKeys(medic: MedicChild, keys: readonly string[]): Promise<void> {
  const hasher = new KeyHasher();
  const hashes: string[] = [];
  for (const key of keys) hashes.push(await hasher.hash(key));
  await onDatabase(medic, (client) =>
    client.query(
      `insert into medic.api_keys (name, key_prefix, key_hash, scopes, created_at, updated_at)
      select 'bench-' || n, substr(key, 5, 8), hash, '{read,write}', now(), now()
      from unnest($1::text[], $2::text[]) with ordinality as item (key, hash, n)`,
      [keys, hashes],
    ),
  );
}
