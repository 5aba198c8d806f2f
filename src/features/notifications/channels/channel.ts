import type { AlertFacts } from '../facts.ts';

/** What became of one attempt. Expected failure is an outcome, never an exception. */
export type Outcome =
  /** `reference`: what the receiver knows the message by. */
  | { kind: 'sent'; code: number | null; body: string | null; reference?: string }
  /** `afterSeconds`: the least wait that the receiver asked for. */
  | { kind: 'retry'; code: number | null; error: string; body?: string; afterSeconds?: number }
  | { kind: 'failed'; code: number | null; error: string; body?: string };

export interface Message {
  facts: AlertFacts;
  /** Where to: what routing stored for this destination. */
  address: Readonly<Record<string, string>>;
}

/** A way to reach people. A new channel is one file that makes one of these, and one line in `index.ts`. */
export interface Channel {
  readonly name: string;
  /** Waits before attempts 2, 3, …, in seconds; attempts = waits + 1 (spec 04 section 1). */
  readonly waitsSeconds: readonly number[];
  /** Makes one attempt, in at most 30 s. Does not throw for expected failure. */
  send(message: Message): Promise<Outcome>;
}

/** Longest time of one attempt, in milliseconds (spec 04 section 1). */
export const ATTEMPT_TIMEOUT_MS = 30_000;
/** A receiver may ask for a longer wait than ours, up to this many seconds. */
const LONGEST_WAIT_SECONDS = 600;

/** Seconds that a `Retry-After` header of a 429 or 503 asks for: a number, or an HTTP date against `now`. */
export function retryAfterSeconds(header: string | null | undefined, now: Date): number | undefined {
  if (header === null || header === undefined || header === '') return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - now.getTime()) / 1000;
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, LONGEST_WAIT_SECONDS) : undefined;
}
