import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { bisecting, GroupCommit } from './group-commit.ts';

/** A flush that waits until it is let go. */
function gated() {
  const batches: { items: readonly number[]; done: (error?: Error) => void }[] = [];
  const flush = (items: readonly number[]) =>
    new Promise<string[]>((resolve, reject) => {
      const done = (error?: Error) =>
        error === undefined ? resolve(items.map((item) => `result ${item}`)) : reject(error);
      batches.push({ items, done });
    });
  return { batches, flush };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('group commit', () => {
  test('items of one turn are one batch, those that come meanwhile the next, never two at a time', async () => {
    const { batches, flush } = gated();
    const queue = new GroupCommit({ flush, maxBatch: 10, maxWaiting: 100 });
    const first = [1, 2, 3].map((item) => queue.submit(item));
    await turn();
    expect(batches.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    const second = [4, 5].map((item) => queue.submit(item));
    await turn();
    expect(batches).toHaveLength(1);
    batches[0]?.done();
    expect(await Promise.all(first)).toEqual(['result 1', 'result 2', 'result 3']);
    await turn();
    expect(batches[1]?.items).toEqual([4, 5]);
    batches[1]?.done();
    expect(await Promise.all(second)).toEqual(['result 4', 'result 5']);
  });

  test('a batch is never larger than maxBatch, and the order is that of arrival', async () => {
    const seen: number[][] = [];
    const flush = async (items: readonly number[]) => {
      seen.push([...items]);
      return items.map(String);
    };
    const queue = new GroupCommit({ flush, maxBatch: 4, maxWaiting: 100 });
    const results = await Promise.all(Array.from({ length: 10 }, (_, item) => queue.submit(item)));
    expect(results).toEqual(Array.from({ length: 10 }, (_, item) => String(item)));
    expect(seen).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
  });

  test('what would wait beyond the bound is refused at once, and the rest is not disturbed', async () => {
    const { batches, flush } = gated();
    const queue = new GroupCommit({ flush, maxBatch: 2, maxWaiting: 3 });
    const taken = [1, 2, 3].map((item) => queue.submit(item));
    await expect(queue.submit(4)).rejects.toMatchObject({ code: 'overloaded', status: 503 });
    await turn();
    // Two are in flight now, so one place of the queue is taken.
    taken.push(queue.submit(5), queue.submit(6));
    await expect(queue.submit(7)).rejects.toMatchObject({ code: 'overloaded' });
    for (let batch = 0; batch < 3; batch += 1) {
      await vi.waitFor(() => expect(batches[batch]).toBeDefined());
      batches[batch]?.done();
    }
    expect(await Promise.all(taken)).toEqual([1, 2, 3, 5, 6].map((item) => `result ${item}`));
  });

  test('a flush that fails rejects its own batch only', async () => {
    const { batches, flush } = gated();
    const queue = new GroupCommit({ flush, maxBatch: 2, maxWaiting: 10 });
    const outcome = Promise.allSettled([1, 2, 3].map((item) => queue.submit(item)));
    await turn();
    batches[0]?.done(new Error('away'));
    await vi.waitFor(() => expect(batches).toHaveLength(2));
    batches[1]?.done();
    expect((await outcome).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    const later = queue.submit(4);
    await vi.waitFor(() => expect(batches).toHaveLength(3));
    batches[2]?.done();
    expect(await later).toBe('result 4');
  });

  test('draining waits for what is in flight and what waits, and not when there is nothing', async () => {
    const { batches, flush } = gated();
    const queue = new GroupCommit({ flush, maxBatch: 1, maxWaiting: 10 });
    await queue.drain();
    const all = Promise.all([queue.submit(1), queue.submit(2)]);
    let drained = false;
    const draining = queue.drain().then(() => {
      drained = true;
    });
    await turn();
    batches[0]?.done();
    await vi.waitFor(() => expect(batches).toHaveLength(2));
    expect(drained).toBe(false);
    batches[1]?.done();
    await Promise.all([all, draining]);
    expect(drained).toBe(true);
  });
});

describe('bisecting', () => {
  const refusal = new Error('refused');

  test('every item but the poisonous ones is stored exactly once, and answered at its index', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 70 }), async (poisonous) => {
        const stored: number[] = [];
        const items = poisonous.map((poison, n) => ({ n, poison }));
        const results = await bisecting(
          items,
          async (batch) => {
            if (batch.some(({ poison }) => poison)) throw refusal;
            stored.push(...batch.map(({ n }) => n));
            return batch.map(({ n }) => `stored ${n}`);
          },
          () => false,
          ({ n }, error) => `${(error as Error).message} ${n}`,
        );
        expect(results).toEqual(items.map(({ n, poison }) => `${poison ? 'refused' : 'stored'} ${n}`));
        expect(stored).toEqual(items.filter(({ poison }) => !poison).map(({ n }) => n));
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  test('one poisonous item among 512 costs a logarithmic number of statements', async () => {
    let statements = 0;
    await bisecting(
      Array.from({ length: 512 }, (_, n) => n),
      async (batch) => {
        statements += 1;
        if (batch.includes(300)) throw refusal;
        return batch.map(() => 'stored');
      },
      () => false,
      () => 'refused',
    );
    // Both halves of nine levels, the whole, and the second try of the last one.
    expect(statements).toBeLessThanOrEqual(2 * 9 + 2);
  });

  test('an error that no smaller batch avoids ends it at once', async () => {
    let statements = 0;
    const run = async () => {
      statements += 1;
      throw refusal;
    };
    await expect(
      bisecting(
        [1, 2, 3],
        run,
        () => true,
        () => 'never',
      ),
    ).rejects.toBe(refusal);
    expect(statements).toBe(1);
  });
});
