import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import { MedicError } from '../../platform/errors.ts';

/** Least cost of a stored hash: argon2id is the library's default (spec 05 section 2; OWASP's second choice). */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** Guessing leaves a processor to those who know their key (spec 05 section 2: 4 at most). */
const MAX_RUNNING = Math.min(4, Math.max(1, availableParallelism() - 1));
const MAX_WAITING = 100;

/** A hash of this program's parameters that no key has: what an unknown key is compared with. */
const DUMMY =
  '$argon2id$v=19$m=19456,t=2,p=1$bm8ga2V5IGhhcyB0aGlzIQ$9MbKnfzt4w1vOnJ4yqjM7cnQzA9Vq8yJ5o9rYc0X2sQ';

/** `weak`: matches, but was made with lower cost than today's. `unreadable`: is no hash. */
export type Match = 'yes' | 'weak' | 'no' | 'unreadable';

/** Slow on purpose, and therefore bounded: a few at a time, some more wait, the rest is refused with 503. */
export class KeyHasher {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /**
   * @param first before all that wait, as below
   * @returns the argon2id hash in PHC format, with a salt of its own.
   */
  hash(key: string, first = false): Promise<string> {
    return this.#inTurn(() => hash(key, COST), first);
  }

  /**
   * @param find looks up the hash to compare with, in PHC format, when it is this key's turn; undefined: there is no
   * candidate, which must cost the same. What it rejects with is handed on, without a verification.
   * @param first before all that wait: only for keys that were right a while ago, which nobody can guess.
   */
  verify(find: () => Promise<string | undefined>, key: string, first = false): Promise<Match> {
    return this.#inTurn(async () => {
      const stored = await find();
      if (stored === undefined) {
        await verify(DUMMY, key);
        return 'no';
      }
      const cost = costOf(stored);
      try {
        if (!(await verify(stored, key))) return 'no';
      } catch {
        await verify(DUMMY, key);
        return 'unreadable';
      }
      return cost === undefined || cost.m < COST.memoryCost || cost.t < COST.timeCost ? 'weak' : 'yes';
    }, first);
  }

  async #inTurn<T>(work: () => Promise<T>, first = false): Promise<T> {
    if (this.#running >= MAX_RUNNING) {
      if (this.#waiting.length >= MAX_WAITING && !first) {
        throw new MedicError('overloaded', 'Too many keys are being verified, try again');
      }
      await new Promise<void>((resolve) => {
        if (first) this.#waiting.unshift(resolve);
        else this.#waiting.push(resolve);
      });
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      // The place passes to the next in line, or becomes free.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function costOf(stored: string): { m: number; t: number } | undefined {
  const [, m, t] = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$/.exec(stored) ?? [];
  return m === undefined || t === undefined ? undefined : { m: Number(m), t: Number(t) };
}
