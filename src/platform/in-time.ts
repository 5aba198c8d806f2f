import { setTimeout as sleep } from 'node:timers/promises';

export class TimedOut extends Error {
  override readonly name = 'TimedOut';
}

/** The result of `work`, or a rejection with TimedOut after `ms`; the work itself goes on unseen. */
export async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new TimedOut(`not within ${ms} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}
