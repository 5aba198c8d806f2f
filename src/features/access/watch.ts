import type { DatabasePool } from '../../platform/db.ts';
import { listen } from '../../platform/listen.ts';
import type { Logger } from '../../platform/logging.ts';
import { repeat } from '../../platform/repeat.ts';
import type { KeyVerifier } from './verify.ts';

/** With a notification a change is known at once, without within this time: spec 05 section 2 allows 5 s. */
const REFRESH_EVERY_MS = 2_000;
const RECORD_USE_EVERY_ROUNDS = 15;

/**
 * Lets revocation, expiry and changes of keys take effect on this process until `signal`.
 * In: notifications of the trigger on api_keys, and the rows of the keys that are remembered. Out: what the verifier
 * remembers; api_keys.last_used_at. Crash: nothing is lost but half a minute of last_used_at.
 */
export async function watchKeys(
  { db, log }: { db: DatabasePool; log: Logger },
  keys: KeyVerifier,
  signal: AbortSignal,
): Promise<void> {
  let round = 0;
  await Promise.all([
    repeat('access', log, signal, async () => {
      round += 1;
      await keys.refresh();
      if (round % RECORD_USE_EVERY_ROUNDS === 0) await keys.recordUse();
      return REFRESH_EVERY_MS;
    }),
    listen(db, {
      channel: 'medic_api_keys',
      log,
      signal,
      onNotify: (id) => {
        if (id === '') return;
        keys.forget(Number(id));
      },
    }),
  ]);
  await keys.recordUse().catch(() => {});
}
