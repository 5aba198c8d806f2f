import { createHmac } from 'node:crypto';
import { sameSecret } from './same-secret.ts';

/** A callback may be this old, or as much ahead, in seconds. */
const TOLERANCE_SECONDS = 300;

export interface SignedBySlack {
  /** `X-Slack-Request-Timestamp`: Unix seconds. */
  timestamp: string | undefined;
  /** `X-Slack-Signature`. */
  signature: string | undefined;
  /** The bytes as they came. */
  body: Uint8Array;
}

/**
 * Whether Slack has sent this (spec 05 section 8, https://docs.slack.dev/authentication/verifying-requests-from-slack).
 * @param secret the signing secret; without one nothing is Slack's.
 */
export function isFromSlack(
  { timestamp = '', signature = '', body }: SignedBySlack,
  secret: string | undefined,
  now: Date,
): boolean {
  if (secret === undefined || secret === '' || !/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(now.getTime() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const expected = createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest('hex');
  return sameSecret(signature, `v0=${expected}`);
}
