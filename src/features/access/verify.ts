import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool } from '../../platform/db.ts';
import type { Logger } from '../../platform/logging.ts';
import { named } from '../../platform/logging.ts';
import { KeyHasher } from './hash.ts';
import type { Identity } from './identity.ts';
import { digestOf, prefixOf } from './key.ts';
import * as store from './store.ts';

/** Who sent a key, and the stored hash that it was verified against: another hash means another key. */
export interface Verified {
  identity: Identity;
  keyHash: string;
}

/** What a key proves. */
export type Verification = Verified | 'invalid' | 'expired';

/** Whether it may have been a guess; a key that has expired was once right. */
export function isWrong(verification: Verification): boolean {
  return verification === 'invalid';
}

/** Where a key comes from that must be verified. */
export interface Sender {
  address: string;
  /** Rejects when the address has sent too many wrong keys; asked when it is the turn of its key. */
  admit(): Promise<void>;
}

interface Remembered extends Verified {
  verifiedAt: number;
}

const REMEMBERED_MS = 60_000;
/** A key in use is verified again before it is forgotten, so that nobody who knows it ever waits behind guesses. */
const RENEWED_MS = 45_000;
const MAX_REMEMBERED = 10_000;

/**
 * Verifies API keys (spec 05 section 2).
 * In: api_keys. Out: who the caller is; api_keys.key_hash when its cost is outdated, last_used_at in batches.
 * Crash: loses what is remembered, and at most a minute of last_used_at.
 */
export class KeyVerifier {
  readonly hasher = new KeyHasher();
  readonly #db: DatabasePool;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By the SHA-256 of the key, oldest first; also those that must be verified again, which are then the next. */
  readonly #remembered = new Map<string, Remembered>();
  /** By sender and digest: a key that comes many times at once from an address is verified once. */
  readonly #verifying = new Map<string, Promise<Verification>>();
  #used = new Set<number>();

  constructor(tools: { db: DatabasePool; clock: Clock; log: Logger }) {
    this.#db = tools.db;
    this.#clock = tools.clock;
    this.#log = named(tools.log, 'access');
  }

  /** @returns at once what is known about the key from the last minute; undefined: it must be verified. */
  recall(key: string): Verification | undefined {
    const digest = digestOf(key);
    const known = this.#remembered.get(digest);
    if (known === undefined) return undefined;
    const now = this.#clock.now().getTime();
    const age = now - known.verifiedAt;
    if (age >= REMEMBERED_MS || age < 0) return undefined;
    // What comes of it is seen when the minute is over.
    if (age >= RENEWED_MS) this.verify(key).catch(() => {});
    return this.#judge(known, now);
  }

  /**
   * The cost depends neither on how many keys exist nor on whether one begins like this. Rejects with 503 when busy.
   * @param sender left out: a key that was right before is verified anew.
   */
  verify(key: string, sender?: Sender): Promise<Verification> {
    const digest = digestOf(key);
    const id = `${digest} ${sender?.address ?? ''}`;
    const running = this.#verifying.get(id);
    if (running !== undefined) return running;
    const fresh = this.#verify(key, digest, sender).finally(() => this.#verifying.delete(id));
    this.#verifying.set(id, fresh);
    return fresh;
  }

  async #verify(key: string, digest: string, sender: Sender | undefined): Promise<Verification> {
    const prefix = prefixOf(key);
    let row: store.KeyRow | undefined;
    const find = async () => {
      await sender?.admit();
      row = prefix === undefined ? undefined : await store.findByPrefix(this.#db, prefix);
      return row?.key_hash;
    };
    const match = await this.hasher.verify(find, key, this.#remembered.has(digest));
    if (match === 'unreadable') {
      this.#log.warn({ api_key_id: row?.api_key_id }, 'the stored hash of an API key cannot be read');
    }
    if (row === undefined || match === 'no' || match === 'unreadable') {
      this.#remembered.delete(digest);
      return 'invalid';
    }
    if (match === 'weak') row.key_hash = await this.#renewed(key, row);
    const verifiedAt = this.#clock.now().getTime();
    const verified = { identity: identityOf(row), keyHash: row.key_hash };
    this.#remember(digest, { ...verified, verifiedAt });
    return this.#judge(verified, verifiedAt);
  }

  /** A right key is let in whether its hash can be renewed now or another time. @returns the stored hash. */
  async #renewed(key: string, { api_key_id: id, key_hash: old }: store.KeyRow): Promise<string> {
    try {
      const renewed = await this.hasher.hash(key, true);
      await store.renewHash(this.#db, id, old, renewed);
      return renewed;
    } catch (error) {
      this.#log.warn({ api_key_id: id, exception: error }, 'the hash of an API key could not be renewed');
      return old;
    }
  }

  #remember(digest: string, entry: Remembered): void {
    this.#remembered.delete(digest);
    this.#remembered.set(digest, entry);
    if (this.#remembered.size > MAX_REMEMBERED) {
      const [oldest = ''] = this.#remembered.keys();
      this.#remembered.delete(oldest);
    }
  }

  #judge({ identity, keyHash }: Verified, now: number): Verification {
    if (identity.expiresAt !== null && identity.expiresAt.getTime() <= now) return 'expired';
    this.noteUse(identity);
    return { identity, keyHash };
  }

  /** A key is used by whoever comes with it, or with a session of it. */
  noteUse({ apiKeyId }: Identity): void {
    if (apiKeyId !== null) this.#used.add(apiKeyId);
  }

  /** Forgets what was verified about one key: call it when the key was changed or revoked. */
  forget(apiKeyId: number): void {
    for (const [digest, { identity }] of this.#remembered) {
      if (identity.apiKeyId === apiKeyId) this.#remembered.delete(digest);
    }
  }

  /** Compares everything remembered with the database: revoked and rotated keys are forgotten, changes taken over. */
  async refresh(): Promise<void> {
    if (this.#remembered.size === 0) return;
    const ids = new Set([...this.#remembered.values()].map(({ identity }) => identity.apiKeyId ?? 0));
    const rows = new Map((await store.listByIds(this.#db, [...ids])).map((row) => [row.api_key_id, row]));
    for (const [digest, known] of this.#remembered) {
      const { apiKeyId } = known.identity;
      if (apiKeyId === null || !ids.has(apiKeyId)) continue;
      const row = rows.get(apiKeyId);
      if (row === undefined || row.key_hash !== known.keyHash) this.#remembered.delete(digest);
      else known.identity = identityOf(row);
    }
  }

  /** Writes down which keys were used since the last call. */
  async recordUse(): Promise<void> {
    if (this.#used.size === 0) return;
    const used = this.#used;
    this.#used = new Set();
    try {
      await store.touch(this.#db, [...used], this.#clock.now());
    } catch (error) {
      for (const id of used) this.#used.add(id);
      throw error;
    }
  }
}

export function identityOf(
  row: Pick<store.KeyRow, 'api_key_id' | 'name' | 'scopes' | 'rate_limits' | 'expires_at'>,
): Identity {
  return {
    apiKeyId: row.api_key_id,
    name: row.name,
    scopes: row.scopes,
    rateLimits: row.rate_limits,
    expiresAt: expiryOf(row.expires_at),
    sessionId: null,
  };
}

/** A stored value that is no date counts as expired. */
export function expiryOf(value: Date | number | null): Date | null {
  if (value === null) return null;
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value : new Date(0);
}
