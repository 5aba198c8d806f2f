import { WebAPIHTTPError, WebAPIPlatformError, WebAPIRateLimitedError, WebClient } from '@slack/web-api';
import { Type } from 'typebox';
import type { Clock } from '../../../platform/clock.ts';
import { shortWord } from '../../../platform/outbound.ts';
import { Text } from '../../../platform/schema.ts';
import {
  ATTEMPT_TIMEOUT_MS,
  type Channel,
  type ChannelTools,
  isRefusal,
  type Outcome,
  retryAfterSeconds,
  textOf,
} from './channel.ts';
import { slackText } from './slack-text.ts';

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
export function slack({ settings, clock, metrics }: ChannelTools): Channel {
  const token = settings.SLACK_API_TOKEN;
  const requests = metrics.counter('medic_slack_requests_total', 'Requests to Slack', ['status']);
  for (const status of ['success', 'failure']) requests.inc({ status }, 0);
  const client = new WebClient(token, {
    slackApiUrl: `${settings.SLACK_API_BASE_URL}/`,
    allowAbsoluteUrls: false,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: ATTEMPT_TIMEOUT_MS,
    fetch: boundedFetch,
    // The job runner limits how many run at once; a limit here would hide waiting from the attempt's timeout.
    maxRequestConcurrency: 1000,
    logger: SILENT,
  });
  return {
    name: 'slack',
    waitsSeconds: [1, 5, 30, 600],
    unavailable: token === undefined ? 'no Slack token is configured' : undefined,
    secrets: token === undefined ? [] : [token],
    target: {
      schema: Type.Object({ channel_id: Text(255) }, { additionalProperties: false }),
      credentials: [],
      urls: [],
      destinationOf: (config) => textOf(config, 'channel_id'),
      identityOf: (config) => textOf(config, 'channel_id'),
    },
    send: async ({ facts, address }) => {
      const text = slackText(facts, settings.MEDIC_TIMEZONE);
      const outcome = await post(client, textOf(address, 'channel_id'), text, clock);
      requests.inc({ status: outcome.kind === 'sent' ? 'success' : 'failure' });
      return outcome;
    },
  };
}

const MAX_ANSWER_BYTES = 64 * 1024;

/** The client itself would read an answer of any length. */
const boundedFetch: typeof fetch = async (input, init) => {
  const { status, headers, body } = await fetch(input, { ...init, redirect: 'manual' });
  if (body === null) return new Response(null, { status, headers });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MAX_ANSWER_BYTES) break;
  }
  return new Response(Buffer.concat(chunks), { status, headers });
};

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
    if (PERMANENT.has(word)) return { kind: 'failed', code: 200, error: word, body, permanent: true };
    return { kind: 'retry', code: 200, error: word, body };
  }
  if (error instanceof WebAPIHTTPError) {
    const code = error.statusCode;
    if (isRefusal(code)) return { kind: 'failed', code, error: `answered ${code}`, permanent: true };
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
