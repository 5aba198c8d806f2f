/**
 * The key with which everything begins (spec 05 section 2).
 * In: MEDIC_ADMIN_API_KEY, or an installation without any key. Out: the key `admin`; the generated one is shown.
 * Crash: what is shown and not committed is replaced by the next start, what is committed was shown.
 */
import type { Transaction } from '../../platform/db.ts';
import { ConfigurationError } from '../../platform/environment.ts';
import { type Logger, named } from '../../platform/logging.ts';
import { isWellFormed, prefixOf } from './key.ts';
import type { KeySettings } from './key-settings.ts';
import { type AccessContext, generate, insertKey, replaceSecret, secretOf, updateKey } from './manage.ts';
import { SCOPES } from './scope.ts';
import { findByPrefix, type KeyRow } from './store.ts';
import * as store from './store-manage.ts';

const ADMIN: KeySettings = { name: 'admin', scopes: [...SCOPES], expires_at: null, rate_limits: {} };
/** Who does it, in the audit log. */
const ACTOR = 'system:start';
const VARIABLE = 'MEDIC_ADMIN_API_KEY';

export interface FirstKey extends AccessContext {
  log: Logger;
  /** `MEDIC_ADMIN_API_KEY`. */
  given: string | undefined;
  /** `MEDIC_AUTO_CREATE_ADMIN_KEY`. */
  mayGenerate: boolean;
  /** Tells the operator a generated key; a rejection undoes it. */
  show: (key: string) => Promise<void>;
}

/** Throws ConfigurationError for a given key that can be none; the message does not repeat it. */
export function requireWellFormed(given: string | undefined): void {
  if (given !== undefined && !isWellFormed(given)) {
    throw new ConfigurationError(VARIABLE, 'must be mdk_ and 32 to 252 characters of A-Z, a-z, 0-9, - and _');
  }
}

/** Makes sure that there is a key, as far as that is wanted; of processes that start together one makes it. */
export async function ensureFirstKey(options: FirstKey): Promise<void> {
  const { db, authenticates, given, mayGenerate } = options;
  if (given !== undefined) return db.transaction((tx) => ensureGiven(tx, options, given));
  if (!authenticates || (await store.count(db)) > 0) return;
  const log = named(options.log, 'access');
  if (mayGenerate) return db.transaction((tx) => generateFirst(tx, options, log));
  log.warn(
    'there is no API key, so nobody can get in: run "medic create-api-key --name admin --scopes admin", ' +
      `or set ${VARIABLE}`,
  );
}

async function generateFirst(tx: Transaction, options: FirstKey, log: Logger): Promise<void> {
  await store.lockKeys(tx);
  if ((await store.count(tx)) > 0) return;
  const { key, secret } = await generate(options);
  await insertKey(tx, ADMIN, secret, { actor: ACTOR, at: options.clock.now() });
  await options.show(key);
  tx.afterCommit(() => log.info('the first API key was made'));
}

async function ensureGiven(tx: Transaction, options: FirstKey, given: string): Promise<void> {
  const { keys, clock } = options;
  await store.lockKeys(tx);
  const by = { actor: ACTOR, at: clock.now() };
  const before = await store.findByName(tx, ADMIN.name);
  if (before === undefined || !(await isSame(before, given, options))) {
    await requireFreePrefix(tx, given, before);
    const secret = await secretOf(keys, given);
    if (before === undefined) await insertKey(tx, ADMIN, secret, by);
    else await replaceSecret(tx, before, secret, by);
  }
  if (before === undefined) return;
  // An unchanged value rewrites nothing, however often Medic is started.
  await updateKey(tx, before, { ...ADMIN, rate_limits: before.rate_limits }, by);
}

async function isSame(row: KeyRow, given: string, { keys }: AccessContext): Promise<boolean> {
  if (row.key_prefix !== prefixOf(given)) return false;
  const match = await keys.hasher.verify(async () => row.key_hash, given);
  return match === 'yes' || match === 'weak';
}

async function requireFreePrefix(tx: Transaction, given: string, own: KeyRow | undefined): Promise<void> {
  const other = await findByPrefix(tx, prefixOf(given) ?? '');
  if (other === undefined || other.api_key_id === own?.api_key_id) return;
  throw new ConfigurationError(
    VARIABLE,
    `begins like the key named ${other.name}: choose another value, or revoke that key`,
  );
}
