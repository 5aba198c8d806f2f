import { MedicError } from './errors.ts';

export interface GroupCommitOptions<Item, Result> {
  /** Makes a batch durable and answers each item at its index. */
  flush: (batch: readonly Item[]) => Promise<Result[]>;
  /** Items of one batch at most. */
  maxBatch: number;
  /** Items that may wait; beyond that they are refused at once with `overloaded`. */
  maxWaiting: number;
}

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Many concurrent writes, or questions, one statement: a flush begins the moment none is in flight and takes everything that
 * waits. There is no timer, since under load the flush before is the timer.
 * In: items of concurrent requests. Out: one batch at a time to `flush`. Crash: an item whose promise has not
 * resolved may or may not be stored; nothing was acknowledged.
 */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #flushing = false;
  #idle: (() => void)[] = [];

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  /** Resolves with the result once the item is durable. */
  submit(item: Item): Promise<Result> {
    if (this.#waiting.length >= this.#options.maxWaiting) {
      return Promise.reject(new MedicError('overloaded', 'Too many requests are waiting, try again'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#flushing) {
        this.#flushing = true;
        // One turn of the event loop: requests that arrived in the same turn share the first batch.
        setImmediate(() => void this.#flushAll());
      }
    });
  }

  /** Resolves when nothing waits and nothing is in flight. */
  drain(): Promise<void> {
    if (!this.#flushing) return Promise.resolve();
    return new Promise((resolve) => void this.#idle.push(resolve));
  }

  async #flushAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#options.maxBatch);
      try {
        const results = await this.#options.flush(batch.map((waiting) => waiting.item));
        const answer = () => {
          batch.forEach((waiting, index) => {
            waiting.resolve(results[index] as Result);
          });
        };
        // Answering takes as long as the database needs for a batch: the next one goes on its way before.
        if (this.#waiting.length === 0) answer();
        else setImmediate(answer);
      } catch (error) {
        for (const waiting of batch) waiting.reject(error);
      }
    }
    this.#flushing = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/**
 * Runs a batch; when the database refuses it as a whole, its halves, down to the items that cannot be stored:
 * one poisonous item never fails its neighbours. The last word on an item is its second try alone: the first may have
 * met something of the moment, such as the partition of its day being made.
 * @param isFatal an error that no smaller batch can avoid, such as a database that is away.
 */
export async function bisecting<Item, Result>(
  batch: readonly Item[],
  run: (batch: readonly Item[]) => Promise<Result[]>,
  isFatal: (error: unknown) => boolean,
  poisoned: (item: Item, error: unknown) => Result,
): Promise<Result[]> {
  try {
    return await run(batch);
  } catch (error) {
    if (isFatal(error)) throw error;
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) return [await runOnceMore(only, run, isFatal, poisoned)];
    const middle = Math.ceil(batch.length / 2);
    const first = await bisecting(batch.slice(0, middle), run, isFatal, poisoned);
    const second = await bisecting(batch.slice(middle), run, isFatal, poisoned);
    return [...first, ...second];
  }
}

async function runOnceMore<Item, Result>(
  item: Item,
  run: (batch: readonly Item[]) => Promise<Result[]>,
  isFatal: (error: unknown) => boolean,
  poisoned: (item: Item, error: unknown) => Result,
): Promise<Result> {
  try {
    const [result] = await run([item]);
    return result as Result;
  } catch (error) {
    if (isFatal(error)) throw error;
    return poisoned(item, error);
  }
}
