import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, named } from './logging.ts';

/** After a failed round; short, so that a database that is back is used within seconds. */
const SLEEP_AFTER_FAILURE_MS = 1_000;

/**
 * Repeats `round` until `signal`, each time after as many milliseconds as the round before says. A failed round never
 * ends the loop, and no round overlaps the next. Resolves when the last one has ended.
 */
export async function repeat(
  name: string,
  log: Logger,
  signal: AbortSignal,
  round: () => Promise<number>,
): Promise<void> {
  const logger = named(log, name);
  let failing = false;
  while (!signal.aborted) {
    let pause = SLEEP_AFTER_FAILURE_MS;
    try {
      pause = await round();
      if (failing) logger.info('works again');
      failing = false;
    } catch (error) {
      if (!failing) logger.error({ exception: error }, 'a round failed and is repeated');
      failing = true;
    }
    await sleep(pause, undefined, { signal }).catch(() => {});
  }
}
