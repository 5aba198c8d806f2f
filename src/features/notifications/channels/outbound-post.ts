import type { Clock } from '../../../platform/clock.ts';
import type { GuardedClient } from '../../../platform/outbound/guarded.ts';
import { RefusedUrl } from '../../../platform/outbound/guarded.ts';
import { shortWord } from '../../../platform/outbound.ts';
import { ATTEMPT_TIMEOUT_MS, type Outcome, retryOf } from './channel.ts';

/** Answers that say: not here, not you, never again. They are retried all the same, for a receiver that is being replaced. */
const PERMANENT: ReadonlySet<number> = new Set([401, 404, 410]);

/** One POST to an address that a caller chose; any 2xx is success, and a 3xx is not (spec 04 section 1, 05 section 7). */
export async function postToCaller(
  outbound: GuardedClient,
  request: { url: string; headers: Readonly<Record<string, string>>; body: string },
  clock: Clock,
): Promise<Outcome> {
  try {
    const response = await outbound.send({ method: 'POST', timeoutMs: ATTEMPT_TIMEOUT_MS, ...request });
    const { status: code, body } = response;
    if (code >= 200 && code < 300) return { kind: 'sent', code, body };
    return { ...retryOf(response, clock.now()), ...(PERMANENT.has(code) ? { permanent: true } : {}) };
  } catch (error) {
    if (error instanceof RefusedUrl)
      return { kind: 'failed', code: null, error: error.message, permanent: true };
    return { kind: 'retry', code: null, error: shortWord(error) };
  }
}
