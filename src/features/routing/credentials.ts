/**
 * The credentials of targets and webhooks, for `medic rotate-secrets`.
 * In: those in clear or sealed with another key. Out: the same ones, sealed anew.
 * Crash: each batch is one statement.
 */
import type { SealedPlace } from '../../platform/rotation.ts';
import { credentialName } from '../notifications/address.ts';
import * as store from './store-credentials.ts';

function place(what: string, table: store.Table): SealedPlace {
  return {
    what,
    stale: async (db, keyId, after = '-1', limit) =>
      (await store.staleCredentials(db, table, keyId, Number(after), limit)).map((row) => ({
        id: String(row.id),
        name: credentialName(row),
        stored: row.stored,
        clear: row.clear,
      })),
    replace: (db, changes) => store.resealCredentials(db, table, changes),
  };
}

export const sealedTargets = place('targets', 'targets');
export const sealedWebhooks = place('webhooks', 'webhooks');
