/**
 * Creates, changes, rotates and revokes API keys.
 * In: settings that are already valid by themselves. Out: api_keys, with an audit entry by `actor`; the sessions of a key
 * whose secret is replaced end.
 * Crash: each verb is one transaction. A key that was made and not shown is useless, and can be rotated.
 */
import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool, Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { recordEntry } from '../audit/record.ts';
import { newKey, prefixOf } from './key.ts';
import type { KeySettings } from './key-settings.ts';
import { locksEverybodyOut } from './last-admin.ts';
import type { KeyRow } from './store.ts';
import * as store from './store-manage.ts';
import { deleteSessionsOf } from './store-sessions.ts';
import { expiryOf, type KeyVerifier } from './verify.ts';

export interface AccessContext {
  db: DatabasePool;
  clock: Clock;
  keys: KeyVerifier;
  /** False with `MEDIC_AUTH_MODE=off`, where nobody can be locked out. */
  authenticates: boolean;
}

/** A key at the only time that it is known in clear. */
export interface ShownKey {
  row: KeyRow;
  key: string;
}

/** Creates a key. Throws `conflict` when the name is taken. */
export async function createKey(
  context: AccessContext,
  settings: KeySettings,
  actor: string,
): Promise<ShownKey> {
  for (;;) {
    if ((await store.findByName(context.db, settings.name)) !== undefined) throw nameTaken(settings.name);
    const { key, secret } = await generate(context);
    const row = await context.db.transaction((tx) =>
      insertKey(tx, settings, secret, { actor, at: context.clock.now() }),
    );
    if (row !== undefined) return { row, key };
  }
}

/** @returns undefined when another key has the name or the prefix. */
export async function insertKey(
  tx: Transaction,
  settings: KeySettings,
  secret: store.KeySecret,
  by: { actor: string; at: Date },
): Promise<KeyRow | undefined> {
  const row = await store.insert(tx, settings, secret, by.at);
  if (row !== undefined) await recordEntry(tx, { ...by, action: 'key_created', details: told(row) });
  return row;
}

/** Changes the given settings of a key. Throws `not_found` and `conflict`. */
export function changeKey(
  context: AccessContext,
  id: number,
  change: Partial<KeySettings>,
  actor: string,
): Promise<KeyRow> {
  return changing(context, id, async (tx, before) => {
    const after = { ...settingsOf(before), ...change };
    await keepAnAdmin(tx, context, before, after);
    const row = await updateKey(tx, before, after, { actor, at: context.clock.now() });
    if (row === undefined) throw nameTaken(after.name);
    return row;
  });
}

/** Call it with the keys locked. @returns undefined when another key has the name. */
export async function updateKey(
  tx: Transaction,
  before: KeyRow,
  after: KeySettings,
  by: { actor: string; at: Date },
): Promise<KeyRow | undefined> {
  const changed_fields = changedFields(settingsOf(before), after);
  if (changed_fields.length === 0) return before;
  const row = await store.update(tx, before.api_key_id, after, by.at);
  if (row === undefined) return undefined;
  const details = { entity: 'api_key', entity_id: row.api_key_id, action: 'update', changed_fields } as const;
  await recordEntry(tx, { ...by, action: 'config_changed', details });
  return row;
}

/** Gives a key a new secret; the old one and its sessions end. Throws `not_found`. */
export async function rotateKey(context: AccessContext, id: number, actor: string): Promise<ShownKey> {
  for (;;) {
    const { key, secret } = await generate(context);
    const row = await changing(context, id, (tx, before) =>
      replaceSecret(tx, before, secret, { actor, at: context.clock.now() }),
    );
    if (row !== undefined) return { row, key };
  }
}

/** As `createKey`; a key that has the name gets a new secret, the scopes and the expiry. Throws `conflict`. */
export async function createOrReplaceKey(
  context: AccessContext,
  settings: KeySettings,
  actor: string,
): Promise<ShownKey> {
  const { name, scopes, expires_at } = settings;
  for (;;) {
    const existing = await store.findByName(context.db, name);
    if (existing === undefined) return createKey(context, settings, actor);
    const { key, secret } = await generate(context);
    const row = await changing(context, existing.api_key_id, async (tx, before) => {
      const by = { actor, at: context.clock.now() };
      const after = { ...settingsOf(before), scopes, expires_at };
      await keepAnAdmin(tx, context, before, after);
      await updateKey(tx, before, after, by);
      return replaceSecret(tx, before, secret, by);
    });
    if (row !== undefined) return { row, key };
  }
}

/** Removes a key; its sessions end. Throws `not_found`, and `conflict` for the last admin. */
export function revokeKey(context: AccessContext, id: number, actor: string): Promise<void> {
  return changing(context, id, async (tx, before) => {
    await keepAnAdmin(tx, context, before, undefined);
    await store.remove(tx, id);
    const by = { actor, at: context.clock.now() };
    await recordEntry(tx, { ...by, action: 'key_revoked', details: told(before) });
  });
}

/** Call it with the keys locked. @returns undefined when another key has the prefix. */
export async function replaceSecret(
  tx: Transaction,
  before: KeyRow,
  secret: store.KeySecret,
  by: { actor: string; at: Date },
): Promise<KeyRow | undefined> {
  const row = await store.setSecret(tx, before.api_key_id, secret, by.at);
  if (row === undefined) return undefined;
  await deleteSessionsOf(tx, before.api_key_id);
  await recordEntry(tx, { ...by, action: 'key_revoked', details: { ...told(before), rotated: true } });
  await recordEntry(tx, { ...by, action: 'key_created', details: { ...told(row), rotated: true } });
  return row;
}

/** What the audit log says of a key. */
function told({ name, key_prefix, scopes }: KeyRow) {
  return { name, key_prefix, scopes };
}

function changedFields(before: KeySettings, after: KeySettings): string[] {
  const members = Object.keys(after) as (keyof KeySettings)[];
  return members.filter((member) => JSON.stringify(before[member]) !== JSON.stringify(after[member]));
}

export async function generate({ keys }: Pick<AccessContext, 'keys'>) {
  const key = newKey();
  return { key, secret: await secretOf(keys, key) };
}

/** @param key well-formed */
export async function secretOf(keys: KeyVerifier, key: string): Promise<store.KeySecret> {
  return { prefix: prefixOf(key) ?? '', hash: await keys.hasher.hash(key) };
}

export function settingsOf({ name, scopes, expires_at, rate_limits }: KeyRow): KeySettings {
  return { name, scopes, expires_at: expiryOf(expires_at), rate_limits };
}

/** Runs a change of one key while nobody else changes any. */
function changing<T>(
  context: AccessContext,
  id: number,
  work: (tx: Transaction, before: KeyRow) => Promise<T>,
): Promise<T> {
  return context.db.transaction(async (tx) => {
    await store.lockKeys(tx);
    const before = await store.findById(tx, id);
    if (before === undefined) throw unknownKey(id);
    // Other processes are told by the database; this one is not to wait for that.
    tx.afterCommit(() => context.keys.forget(id));
    return work(tx, before);
  });
}

async function keepAnAdmin(
  tx: Transaction,
  { clock, authenticates }: AccessContext,
  before: KeyRow,
  after: KeySettings | undefined,
): Promise<void> {
  if (!authenticates) return;
  const others = await store.listOtherAdmins(tx, before.api_key_id);
  if (!locksEverybodyOut(settingsOf(before), after, others.map(settingsOf), clock.now())) return;
  throw new MedicError(
    'conflict',
    `${before.name} is the last key with the scope admin: create another one first`,
  );
}

export function unknownKey(id: number): MedicError {
  return new MedicError('not_found', `API key ${id} not found`);
}

function nameTaken(name: string): MedicError {
  return new MedicError('conflict', `An API key named ${name} exists already`);
}
