import { hash } from 'node:crypto';
import type { Database } from '../../platform/db.ts';
import { GroupCommit } from '../../platform/group-commit.ts';
import { inTime } from '../../platform/in-time.ts';
import * as store from './store.ts';

const SHAPE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const MAX_REMEMBERED = 100_000;
const MAX_BATCH = 512;
const MAX_WAITING = 20_000;
const LOOKUP_TIMEOUT_MS = 2_000;

export function isPingKey(text: string): boolean {
  return SHAPE.test(text);
}

/**
 * In which bucket pings are counted (spec 05 section 6): that of their key when it exists. Keys that were seen to exist
 * are remembered, so that their pings wait for nothing; strangers make no buckets, and the database is asked about all
 * that come at once together.
 * In: services. Out: nothing. Crash: what is remembered is looked up again.
 */
export class PingKeys {
  /** Key in lower case → bucket, oldest first. */
  readonly #known = new Map<string, string>();
  readonly #lookup: GroupCommit<string, boolean>;

  constructor({ db }: { db: Database }) {
    this.#lookup = new GroupCommit({
      flush: async (keys) => {
        const existing = new Set(await store.existingPingKeys(db, keys));
        return keys.map((key) => existing.has(key));
      },
      maxBatch: MAX_BATCH,
      maxWaiting: MAX_WAITING,
    });
  }

  /** Undefined: the key does not exist, or nobody can tell now. */
  bucketOf(text: string): string | undefined | Promise<string | undefined> {
    const key = text.toLowerCase();
    const known = this.#known.get(key);
    if (known !== undefined || !isPingKey(text)) return known;
    return this.#find(key);
  }

  /** The key does not exist any more. */
  forget(text: string): void {
    this.#known.delete(text.toLowerCase());
  }

  async #find(key: string): Promise<string | undefined> {
    const exists = await inTime(this.#lookup.submit(key), LOOKUP_TIMEOUT_MS).catch(() => false);
    return exists ? this.#remember(key) : undefined;
  }

  #remember(key: string): string {
    // The key is a credential: no other store is told it.
    const bucket = hash('sha256', key, 'base64url');
    this.#known.set(key, bucket);
    if (this.#known.size > MAX_REMEMBERED) {
      const [oldest = ''] = this.#known.keys();
      this.#known.delete(oldest);
    }
    return bucket;
  }
}
