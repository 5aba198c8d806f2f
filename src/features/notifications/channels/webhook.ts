import { createHmac } from 'node:crypto';
import { Type } from 'typebox';
import { Text } from '../../../platform/schema.ts';
import type { Facts } from '../facts.ts';
import { type Address, type Channel, type ChannelTools, type Message, textOf } from './channel.ts';
import { hostIn } from './host.ts';
import { postToCaller } from './outbound-post.ts';

/** A name of a header (RFC 9110), and a value without line breaks and control characters. */
const HEADER_NAME = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$";
const HEADER_VALUE = '^[\\t\\x20-\\x7e\\x80-\\xff]*$';
/** Those that belong to the connection, and ours. */
const NOT_ALLOWED = /^(host|content-length|transfer-encoding|connection|x-medic-.*)$/i;
const MAX_HEADERS = 30;

const CONFIG = Type.Object(
  {
    url: Text(2048),
    headers: Type.Optional(
      Type.Record(
        Type.String({ pattern: HEADER_NAME }),
        Type.String({ pattern: HEADER_VALUE, maxLength: 4096 }),
        {
          maxProperties: MAX_HEADERS,
          additionalProperties: false,
        },
      ),
    ),
    secret: Type.Optional(Text(1024)),
  },
  { additionalProperties: false },
);

/** Outgoing webhooks, and targets of type `webhook` (spec 04 section 9). */
export function webhook({ settings, clock, outbound }: ChannelTools): Channel {
  return {
    name: 'webhook',
    waitsSeconds: [1, 5, 30],
    target: {
      schema: CONFIG,
      problemOf: ({ headers }) => {
        const name = Object.keys(textsOf(headers)).find((one) => NOT_ALLOWED.test(one));
        return name === undefined
          ? undefined
          : { path: `headers.${name}`, message: 'is set by Medic itself' };
      },
      credentials: ['headers', 'secret'],
      urls: ['url'],
      destinationOf: (config) => hostIn(textOf(config, 'url')),
      identityOf: (config) => textOf(config, 'url'),
    },
    send: (message) => {
      const body = webhookBody(message.facts, message.deliveryId);
      const headers = webhookHeaders(message, body, settings.MEDIC_VERSION);
      return postToCaller(outbound, { url: textOf(message.address, 'url'), headers, body }, clock);
    },
  };
}

/**
 * The body of an event. Facts never change and members are named here one by one, so that the same event and delivery
 * give the same bytes however the facts were stored.
 */
export function webhookBody(facts: Facts, deliveryId: string): string {
  const { alert, service } = facts;
  return JSON.stringify({
    event: eventOf(facts),
    delivery_id: deliveryId,
    occurred_at: facts.occurred_at,
    alert: alert && {
      alert_id: alert.alert_id,
      alert_name: alert.alert_name,
      kind: alert.kind,
      reason: alert.reason,
      run_id: alert.run_id,
      active: alert.active,
      alert_cycle: alert.alert_cycle,
      created_date: alert.created_date,
      closed_date: alert.closed_date,
      close_reason: alert.close_reason,
      url: alert.url,
    },
    service: service && {
      service_id: service.service_id,
      heartbeat_name: service.heartbeat_name,
      service_name: service.service_name,
      team: service.team,
      priority: service.priority,
      runbook: service.runbook,
      last_heartbeat: service.last_heartbeat,
    },
  });
}

export function webhookHeaders(
  { facts, address, deliveryId, attempt }: Message,
  body: string,
  version: string,
): Record<string, string> {
  const secret = textOf(address, 'secret');
  const own = Object.entries(textsOf(address.headers)).filter(([name]) => !NOT_ALLOWED.test(name));
  const replaced = new Set(own.map(([name]) => name.toLowerCase()));
  const usual = { 'Content-Type': 'application/json', 'User-Agent': `Medic/${version}` };
  return {
    ...Object.fromEntries(Object.entries(usual).filter(([name]) => !replaced.has(name.toLowerCase()))),
    ...Object.fromEntries(own),
    'X-Medic-Event': eventOf(facts),
    'X-Medic-Delivery': deliveryId,
    'X-Medic-Attempt': String(attempt),
    ...(secret === '' ? {} : { 'X-Medic-Signature': `sha256=${signatureOf(secret, body)}` }),
  };
}

function signatureOf(secret: string, body: string): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}

function eventOf({ event }: Facts): string {
  return event === 'test' ? event : `alert.${event}`;
}

function textsOf(headers: Address[string]): Record<string, string> {
  return typeof headers === 'object' && headers !== null ? (headers as Record<string, string>) : {};
}
