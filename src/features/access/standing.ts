import type { Database } from '../../platform/db.ts';
import type { Identity } from './identity.ts';
import { grants, type Scope } from './scope.ts';
import * as store from './store.ts';
import { listSessions } from './store-sessions.ts';
import { expiryOf } from './verify.ts';

/**
 * What a caller stands on: null when its key or session has ended or lacks the scope, else a value that becomes
 * another one when the key is rotated.
 */
export type Standing = (identity: Identity) => string | null;

/** Without a key there is nothing that could end. */
const WITHOUT_KEY = 'anonymous';

/**
 * For connections that stay open and must end with the right to them.
 * In: api_keys and sessions of the callers. Out: nothing. Crash: nothing is left.
 */
export async function standingOf(
  db: Database,
  callers: readonly Identity[],
  { scope, now }: { scope: Scope; now: Date },
): Promise<Standing> {
  const keyIds = new Set(callers.flatMap(({ apiKeyId }) => apiKeyId ?? []));
  const sessionIds = new Set(callers.flatMap(({ sessionId }) => sessionId ?? []));
  const keys = keyIds.size === 0 ? [] : await store.listByIds(db, [...keyIds]);
  const sessions = new Set(sessionIds.size === 0 ? [] : await listSessions(db, [...sessionIds], now));
  const hashes = new Map(
    keys
      .filter((row) => {
        const expiry = expiryOf(row.expires_at);
        return (expiry === null || expiry > now) && grants(row.scopes, scope);
      })
      .map((row) => [row.api_key_id, row.key_hash]),
  );
  return ({ apiKeyId, sessionId }) => {
    if (apiKeyId === null) return WITHOUT_KEY;
    if (sessionId !== null && !sessions.has(sessionId)) return null;
    return hashes.get(apiKeyId) ?? null;
  };
}
