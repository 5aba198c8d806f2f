import { createHash } from 'node:crypto';
import type { Counter } from 'prom-client';
import type { Clock } from '../../../platform/clock.ts';
import { type OutboundResponse, postJson, shortWord } from '../../../platform/outbound.ts';
import type { AlertFacts } from '../facts.ts';
import {
  ATTEMPT_TIMEOUT_MS,
  type Channel,
  type Message,
  type Outcome,
  retryAfterSeconds,
} from './channel.ts';

export interface PagerDutyOptions {
  /** Address of the Events API v2, `PAGERDUTY_EVENTS_URL`. */
  eventsUrl: string;
  /** `MEDIC_BASE_URL`. */
  baseUrl: string;
  clock: Clock;
  requests: Counter<'action' | 'status'>;
}

/** PagerDuty by its Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview */
export function pagerDuty(options: PagerDutyOptions): Channel {
  return {
    name: 'pagerduty',
    waitsSeconds: [1, 5, 30, 600],
    send: async (message) => {
      const event = pagerDutyEvent(message, options.baseUrl);
      let outcome: Outcome;
      try {
        const response = await postJson({
          url: options.eventsUrl,
          body: event,
          timeoutMs: ATTEMPT_TIMEOUT_MS,
        });
        outcome = outcomeOf(response, event.dedup_key, options.clock);
      } catch (error) {
        outcome = { kind: 'retry', code: null, error: shortWord(error) };
      }
      const status = outcome.kind === 'sent' ? 'success' : 'failure';
      options.requests.inc({ action: event.event_action, status });
      return outcome;
    },
  };
}

const ACTION = {
  opened: 'trigger',
  reminder: 'trigger',
  acknowledged: 'acknowledge',
  recovered: 'resolve',
  closed: 'resolve',
} as const;

const SEVERITY: Record<string, string> = {
  p1: 'critical',
  p2: 'error',
  p3: 'warning',
  p4: 'info',
  p5: 'info',
};

/** The event for an alert (spec 04 section 7). */
export function pagerDutyEvent({ facts, address }: Message, baseUrl: string) {
  const action = ACTION[facts.event];
  const event = {
    routing_key: address.routing_key ?? '',
    event_action: action,
    dedup_key: dedupKey(facts),
  };
  if (action !== 'trigger') return event;
  const { alert, service, report } = facts;
  return {
    ...event,
    payload: {
      summary: alert.alert_name,
      source: 'medic',
      component: service.heartbeat_name,
      group: service.team,
      severity: SEVERITY[service.priority] ?? 'warning',
      class: alert.reason === 'missed_heartbeat' ? 'heartbeat_failure' : alert.reason,
      custom_details: {
        service_name: service.service_name,
        heartbeat_name: service.heartbeat_name,
        team: service.team,
        priority: service.priority,
        reason: alert.reason,
        alert_id: alert.alert_id,
        alert_url: alert.url,
        ...(report.run_id === null ? {} : { run_id: report.run_id }),
        ...(report.message === null ? {} : { message: report.message }),
      },
    },
    client: 'Medic Heartbeat Monitor',
    client_url: baseUrl,
    ...(service.runbook === null ? {} : { links: [{ href: service.runbook, text: 'Runbook' }] }),
  };
}

/** PagerDuty takes keys of at most 255 characters; a longer one is cut and made unique by its digest. */
export function dedupKey({ alert, service }: Pick<AlertFacts, 'alert' | 'service'>): string {
  const suffix: Record<string, string> = {
    stale_job: `-stale-${alert.run_id}`,
    duration_exceeded: `-duration-${alert.run_id}`,
  };
  const key = `medic-${service.heartbeat_name}${suffix[alert.kind] ?? ''}`;
  const characters = [...key];
  if (characters.length <= 255) return key;
  return characters.slice(0, 190).join('') + createHash('sha256').update(key).digest('hex');
}

function outcomeOf(response: OutboundResponse, reference: string, clock: Clock): Outcome {
  const { status: code, body } = response;
  if (code === 202) return { kind: 'sent', code, body, reference };
  const error = `answered ${code}`;
  const permanent = code >= 400 && code < 500 && ![408, 425, 429].includes(code);
  if (permanent) return { kind: 'failed', code, error, body };
  const header = response.headers['retry-after'];
  const wait = retryAfterSeconds(typeof header === 'string' ? header : undefined, clock.now());
  return { kind: 'retry', code, error, body, ...(wait === undefined ? {} : { afterSeconds: wait }) };
}
