/**
 * Secrets that playbooks and webhooks use by name (spec 05 section 9). Their values come in and never go out.
 * In: names and values of the operator. Out: rows with sealed values.
 * Crash: each change is one transaction with its audit entry.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Database, DatabasePool, Transaction } from '../../platform/db.ts';
import { invalid, MedicError } from '../../platform/errors.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { SealedPlace } from '../../platform/rotation.ts';
import { DecryptionError, type Vault } from '../../platform/vault.ts';
import { recordEntry } from '../audit/record.ts';
import * as store from './store-secrets.ts';

export interface SecretsContext {
  db: DatabasePool;
  clock: Clock;
  vault: Vault;
}

export const SECRET_NAME = '^[A-Za-z_][A-Za-z0-9_]*$';
export const MAX_SECRET_NAME = 128;
const MIN_VALUE_BYTES = 4;
const MAX_VALUE_BYTES = 65_536;

/** @throws MedicError 400, 409 when the name is taken, 503 without a key */
export async function createSecret(
  { db, clock, vault }: SecretsContext,
  { name, value, description }: { name: string; value: string; description?: string | null },
  actor: string,
): Promise<store.SecretRow> {
  const sealed = seal(vault, name, value);
  const secret = { name, sealed, description: description ?? null };
  const at = clock.now();
  return db.transaction(async (tx) => {
    const row = await store.insertSecret(tx, secret, at);
    if (row === undefined) throw new MedicError('conflict', `The secret ${name} exists already`);
    await record(tx, { name, action: 'create', changed_fields: ['name', 'value', 'description'], actor, at });
    return row;
  });
}

/**
 * Changes what is given; null clears the description.
 * @throws MedicError 400, 404, and 503 for a value without a key
 */
export async function changeSecret(
  { db, clock, vault }: SecretsContext,
  name: string,
  { value, description }: { value?: string; description?: string | null },
  actor: string,
): Promise<store.SecretRow> {
  if (value === undefined && description === undefined) return findSecret(db, name);
  const sealed = value === undefined ? undefined : seal(vault, name, value);
  const changed_fields = [
    ...(value === undefined ? [] : ['value']),
    ...(description === undefined ? [] : ['description']),
  ];
  const at = clock.now();
  return db.transaction(async (tx) => {
    const row = found(name, await store.updateSecret(tx, name, { description, sealed }, at));
    await record(tx, { name, action: 'update', changed_fields, actor, at });
    return row;
  });
}

export async function findSecret(db: Database, name: string): Promise<store.SecretRow> {
  return found(name, await store.findSecret(db, name));
}

export async function removeSecret(
  { db, clock }: SecretsContext,
  name: string,
  actor: string,
): Promise<void> {
  const at = clock.now();
  await db.transaction(async (tx) => {
    if (!(await store.deleteSecret(tx, name))) found(name, undefined);
    await record(tx, { name, action: 'delete', changed_fields: [], actor, at });
  });
}

interface Change {
  name: string;
  action: 'create' | 'update' | 'delete';
  changed_fields: string[];
  actor: string;
  at: Date;
}

function record(tx: Transaction, { name, action, changed_fields, actor, at }: Change): Promise<void> {
  const details = { entity: 'secret', entity_id: name, action, changed_fields } as const;
  return recordEntry(tx, { actor, at, action: 'config_changed', details });
}

/** A page of secrets in order of their names, and how many there are. */
export async function listSecrets(
  db: Database,
  page: { limit: number; offset: number },
): Promise<{ rows: store.SecretRow[]; total: number }> {
  const [rows, total] = await Promise.all([store.listSecrets(db, page), store.countSecrets(db)]);
  return { rows, total };
}

/**
 * The values of secrets by name, for what is about to be sent. Mask them in everything that is told of it.
 * @throws MedicError `not_configured` that names the secrets that do not exist or do not open, without values
 */
export async function secretsFor(
  db: Database,
  vault: Vault,
  names: readonly string[],
): Promise<Map<string, string>> {
  if (names.length === 0) return new Map();
  vault.demandKey();
  const rows = await store.sealedByName(db, names);
  const values = new Map<string, string>();
  const unreadable: string[] = [];
  for (const { name, sealed } of rows) {
    try {
      values.set(name, vault.open(name, sealed));
    } catch (error) {
      if (!(error instanceof DecryptionError)) throw error;
      unreadable.push(name);
    }
  }
  const stored = new Set(rows.map(({ name }) => name));
  const unknown = names.filter((name) => !stored.has(name));
  const problems = [
    ...(unknown.length === 0 ? [] : [`unknown secrets: ${[...new Set(unknown)].join(', ')}`]),
    ...(unreadable.length === 0 ? [] : [`secrets that cannot be decrypted: ${unreadable.join(', ')}`]),
  ];
  if (problems.length > 0) throw new MedicError('not_configured', problems.join('; '));
  return values;
}

/** Tells the operator of a key that was lost or forgotten before somebody needs what it sealed. */
export async function reportForeignSecrets(db: Database, vault: Vault, log: Logger): Promise<void> {
  const count = await store.countForeignSecrets(db, vault.keyIds);
  if (count === 0) return;
  named(log, 'secrets').warn(
    { secrets: count },
    'secrets are stored that MEDIC_SECRETS_KEY and MEDIC_SECRETS_KEY_PREVIOUS do not open: set the key that sealed them',
  );
}

/** For `medic rotate-secrets`. */
export const sealedSecrets: SealedPlace = {
  what: 'secrets',
  stale: async (db, keyId, after = '', limit) =>
    (await store.staleSecrets(db, keyId, after, limit)).map(({ name, sealed }) => ({
      id: name,
      name,
      stored: sealed,
      clear: false,
    })),
  replace: store.resealSecrets,
};

function seal(vault: Vault, name: string, value: string): string {
  const bytes = Buffer.byteLength(value);
  if (bytes < MIN_VALUE_BYTES || bytes > MAX_VALUE_BYTES) {
    throw invalid('value', `must have ${MIN_VALUE_BYTES} to ${MAX_VALUE_BYTES} bytes`);
  }
  return vault.seal(name, value);
}

function found(name: string, row: store.SecretRow | undefined): store.SecretRow {
  if (row === undefined) throw new MedicError('not_found', `Secret ${name} not found`);
  return row;
}
