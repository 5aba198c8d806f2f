import { createHash } from 'node:crypto';
import { Type } from 'typebox';
import type { Clock } from '../../../platform/clock.ts';
import { type OutboundResponse, postJson, shortWord } from '../../../platform/outbound.ts';
import { Text } from '../../../platform/schema.ts';
import type { AlertFacts, Facts } from '../facts.ts';
import {
  type Address,
  ATTEMPT_TIMEOUT_MS,
  type Channel,
  type ChannelTools,
  isRefusal,
  type Message,
  type Outcome,
  retryOf,
  textOf,
} from './channel.ts';

const STATUSES = ['success', 'failure'];

/** PagerDuty by its Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview */
export function pagerDuty({ settings, clock, metrics }: ChannelTools): Channel {
  const requests = metrics.counter('medic_pagerduty_requests_total', 'Requests to PagerDuty', [
    'action',
    'status',
  ]);
  for (const action of ['trigger', 'resolve', 'acknowledge']) {
    for (const status of STATUSES) requests.inc({ action, status }, 0);
  }
  return {
    name: 'pagerduty',
    waitsSeconds: [1, 5, 30, 600],
    target: {
      schema: Type.Object({ service_key: Text(255) }, { additionalProperties: false }),
      credentials: ['service_key', 'routing_key'],
      urls: [],
      destinationOf: () => 'service key',
      identityOf: keyOf,
    },
    send: async (message) => {
      const event = pagerDutyEvent(message, settings.MEDIC_BASE_URL);
      let outcome: Outcome;
      try {
        const response = await postJson({
          url: settings.PAGERDUTY_EVENTS_URL,
          body: event,
          timeoutMs: ATTEMPT_TIMEOUT_MS,
        });
        outcome = outcomeOf(response, event.dedup_key, clock);
      } catch (error) {
        outcome = { kind: 'retry', code: null, error: shortWord(error) };
      }
      const status = outcome.kind === 'sent' ? 'success' : 'failure';
      requests.inc({ action: event.event_action, status });
      return outcome;
    },
  };
}

/** Targets name it as PagerDuty's own screens do, the default route as its API does. */
function keyOf(address: Address): string {
  return textOf(address, 'service_key') || textOf(address, 'routing_key');
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
export function pagerDutyEvent({ facts, address }: Pick<Message, 'facts' | 'address'>, baseUrl: string) {
  if (facts.event === 'test') return testEvent(facts, keyOf(address), baseUrl);
  const action = ACTION[facts.event];
  const event = {
    routing_key: keyOf(address),
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

/** A test pages like an alert, as the least severe one. */
function testEvent({ service }: Facts, routingKey: string, baseUrl: string) {
  const name = service?.heartbeat_name ?? 'medic';
  return {
    routing_key: routingKey,
    event_action: 'trigger' as const,
    dedup_key: short(`medic-${name}-test`),
    payload: { summary: `Medic - Test message for ${name}`, source: 'medic', severity: 'info' },
    client: 'Medic Heartbeat Monitor',
    client_url: baseUrl,
  };
}

/** What an incident is known by (spec 04 section 7). */
export function dedupKey({ alert, service }: Pick<AlertFacts, 'alert' | 'service'>): string {
  const suffix: Record<string, string> = {
    stale_job: `-stale-${alert.run_id}`,
    duration_exceeded: `-duration-${alert.run_id}`,
  };
  return short(`medic-${service.heartbeat_name}${suffix[alert.kind] ?? ''}`);
}

/** PagerDuty takes keys of at most 255 characters; a longer one is cut and made unique by its digest. */
function short(key: string): string {
  const characters = [...key];
  if (characters.length <= 255) return key;
  return characters.slice(0, 190).join('') + createHash('sha256').update(key).digest('hex');
}

function outcomeOf(response: OutboundResponse, reference: string, clock: Clock): Outcome {
  const { status: code, body } = response;
  if (code === 202) return { kind: 'sent', code, body, reference };
  if (isRefusal(code)) return { kind: 'failed', code, error: `answered ${code}`, body, permanent: true };
  return retryOf(response, clock.now());
}
