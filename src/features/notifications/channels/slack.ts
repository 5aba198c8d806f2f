import { WebAPIHTTPError, WebAPIPlatformError, WebAPIRateLimitedError, WebClient } from '@slack/web-api';
import type { Counter } from 'prom-client';
import type { Clock } from '../../../platform/clock.ts';
import { shortWord } from '../../../platform/outbound.ts';
import type { AlertFacts } from '../facts.ts';
import { ATTEMPT_TIMEOUT_MS, type Channel, type Outcome, retryAfterSeconds } from './channel.ts';

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

/** The text of a message (spec 04 section 8). */
export function slackText(facts: AlertFacts, timeZone: string): string {
  const { alert, service } = facts;
  const who = `${code(service.heartbeat_name)} (service ${code(service.service_name)})`;
  const lastSeen =
    service.last_heartbeat === null
      ? 'It has never reported.'
      : `Last heartbeat: ${localTime(service.last_heartbeat, timeZone)}.`;
  const details = [
    lastSeen,
    facts.report.message === null ? '' : `Message: ${escapeText(cut(facts.report.message, 500))}`,
    service.runbook === null ? '' : `Runbook: ${escapeText(service.runbook)}`,
    `<${escapeText(alert.url)}|Alert ${alert.alert_id}>`,
  ].filter((line) => line !== '');
  switch (facts.event) {
    case 'opened':
      return [
        `:broken_heart: ${who} ${REASON_TEXT[alert.reason] ?? alert.reason}. Priority ${service.priority}${cycle(alert.alert_cycle)}; this is being routed to ${code(service.team)}.`,
        ...details,
      ].join('\n');
    case 'reminder':
      return [
        `:broken_heart: ${who} is still failing (${REASON_TEXT[alert.reason] ?? alert.reason})${cycle(alert.alert_cycle)}. Priority ${service.priority}; this has been routed to ${code(service.team)}.`,
        ...details,
      ].join('\n');
    case 'acknowledged':
      return `:eyes: ${who} was acknowledged by ${escapeText(facts.acknowledgement?.by ?? 'someone')}.`;
    case 'recovered':
      return `:green_heart: ${who} has recovered after ${outage(alert)}. ${lastSeen}`;
    case 'closed':
      return `:white_circle: The alert of ${who} was closed because the service was ${alert.close_reason}.`;
  }
}

const REASON_TEXT: Record<string, string> = {
  missed_heartbeat: 'missed its heartbeat',
  reported_down: 'reported that it is DOWN',
  job_failed: 'reported a FAILED job',
};

function cycle(count: number): string {
  return count > 1 ? `, failure cycle ${count}` : '';
}

function outage(alert: AlertFacts['alert']): string {
  const end = alert.closed_date ?? alert.created_date;
  return elapsed((Date.parse(end) - Date.parse(alert.created_date)) / 1000);
}

/** A length of time in words, such as `2h 5m`, `3m 20s` or `45s`. */
export function elapsed(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${rest}s` : `${rest}s`;
}

function localTime(iso: string, timeZone: string): string {
  const local = Temporal.Instant.from(iso).toZonedDateTimeISO(timeZone);
  return `${local.toPlainDateTime().toString({ smallestUnit: 'second' }).replace('T', ' ')} ${timeZone}`;
}

/** Text that can neither mention anyone nor forge a link: https://docs.slack.dev/messaging/formatting-message-text */
function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function code(text: string): string {
  return `\`${escapeText(text.replaceAll('`', ''))}\``;
}

function cut(text: string, characters: number): string {
  const all = [...text];
  return all.length <= characters ? text : `${all.slice(0, characters).join('')}…`;
}
