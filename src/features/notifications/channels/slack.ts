import { WebAPIHTTPError, WebAPIPlatformError, WebAPIRateLimitedError, WebClient } from '@slack/web-api';
import type { Counter } from 'prom-client';
import type { Clock } from '../../../platform/clock.ts';
import { shortWord } from '../../../platform/outbound.ts';
import { ATTEMPT_TIMEOUT_MS, type Channel, type Outcome, retryAfterSeconds } from './channel.ts';
import { slackText } from './slack-text.ts';

export interface SlackOptions {
  /** `SLACK_API_BASE_URL`. */
  apiUrl: string;
  /** Bot token; without one routing sends nothing here. */
  token: string | undefined;
  /** `MEDIC_TIMEZONE`, for times in messages. */
  timeZone: string;
  clock: Clock;
  requests: Counter<'status'>;
}

/** Errors that no repetition can heal (spec 04 section 1). */
const PERMANENT: ReadonlySet<string> = new Set([
  'channel_not_found',
  'not_in_channel',
  'is_archived',
  'invalid_auth',
  'account_inactive',
  'token_revoked',
  'no_permission',
]);

const SILENT = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  getLevel: () => 'error' as never,
  setName() {},
};

/** Slack by `chat.postMessage`: https://docs.slack.dev/reference/methods/chat.postMessage */
export function slack(options: SlackOptions): Channel {
  const client = new WebClient(options.token, {
    slackApiUrl: `${options.apiUrl}/`,
    allowAbsoluteUrls: false,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: ATTEMPT_TIMEOUT_MS,
    // Routing limits how many run at once; a limit here would hide waiting from the attempt's timeout.
    maxRequestConcurrency: 1000,
    logger: SILENT,
  });
  return {
    name: 'slack',
    waitsSeconds: [1, 5, 30, 600],
    send: async ({ facts, address }) => {
      const outcome = await post(
        client,
        address.channel_id ?? '',
        slackText(facts, options.timeZone),
        options.clock,
      );
      options.requests.inc({ status: outcome.kind === 'sent' ? 'success' : 'failure' });
      return outcome;
    },
  };
}

async function post(client: WebClient, channel: string, text: string, clock: Clock): Promise<Outcome> {
  try {
    const answer = await client.chat.postMessage({ channel, text, unfurl_links: false, unfurl_media: false });
    const body = JSON.stringify({ ok: answer.ok, channel: answer.channel, ts: answer.ts });
    return { kind: 'sent', code: 200, body, ...(answer.ts === undefined ? {} : { reference: answer.ts }) };
  } catch (error) {
    return outcomeOf(error, clock);
  }
}

function outcomeOf(error: unknown, clock: Clock): Outcome {
  if (error instanceof WebAPIRateLimitedError) {
    return { kind: 'retry', code: 429, error: 'rate limited', afterSeconds: Math.min(error.retryAfter, 600) };
  }
  if (error instanceof WebAPIPlatformError) {
    const word = error.data.error;
    const body = JSON.stringify({ ok: false, error: word });
    return { kind: PERMANENT.has(word) ? 'failed' : 'retry', code: 200, error: word, body };
  }
  if (error instanceof WebAPIHTTPError) {
    const code = error.statusCode;
    const permanent = code >= 400 && code < 500 && ![408, 425, 429].includes(code);
    if (permanent) return { kind: 'failed', code, error: `answered ${code}` };
    const wait = retryAfterSeconds(headerOf(error.headers, 'retry-after'), clock.now());
    return {
      kind: 'retry',
      code,
      error: `answered ${code}`,
      ...(wait === undefined ? {} : { afterSeconds: wait }),
    };
  }
  return { kind: 'retry', code: null, error: shortWord(error) };
}

function headerOf(headers: unknown, name: string): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  const value = (headers as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : undefined;
}
