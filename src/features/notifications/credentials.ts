/**
 * The credentials in the addresses of notifications, for `medic rotate-secrets`.
 * In: those in clear or sealed with another key. Out: the same ones, sealed anew.
 * Crash: each batch is one statement.
 */
import type { SealedPlace } from '../../platform/rotation.ts';
import { credentialName } from './address.ts';
import * as store from './store-credentials.ts';

const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

export const sealedAddresses: SealedPlace = {
  what: 'addresses of notifications',
  stale: async (db, keyId, after = BEFORE_ALL, limit) =>
    (await store.staleCredentials(db, keyId, after, limit)).map((row) => ({
      id: row.delivery_id,
      name: credentialName(row),
      stored: row.stored,
      clear: row.clear,
    })),
  replace: store.resealCredentials,
};
