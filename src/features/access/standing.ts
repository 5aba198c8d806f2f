import type { Database } from '../../platform/db.ts';
import { grants, type Scope } from './scope.ts';
import * as store from './store.ts';
import { expiryOf } from './verify.ts';

/**
 * What connections that stay open ask from time to time: which keys exist, have not expired and grant a scope. The
 * value of a key is another one after it was rotated.
 * In: api_keys. Out: nothing. Crash: nothing is left.
 */
export async function standingKeys(
  db: Database,
  apiKeyIds: readonly number[],
  { scope, now }: { scope: Scope; now: Date },
): Promise<Map<number, string>> {
  if (apiKeyIds.length === 0) return new Map();
  const rows = await store.listByIds(db, apiKeyIds);
  const standing = rows.filter((row) => {
    const expiry = expiryOf(row.expires_at);
    return (expiry === null || expiry > now) && grants(row.scopes, scope);
  });
  return new Map(standing.map((row) => [row.api_key_id, row.key_hash]));
}
