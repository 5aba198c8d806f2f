import { SMTPServer } from 'smtp-server';
import { sealAddress } from '../../src/features/notifications/address.ts';
import type { Channel, Outcome } from '../../src/features/notifications/channels/channel.ts';
import { createChannels } from '../../src/features/notifications/channels/index.ts';
import type { Facts } from '../../src/features/notifications/facts.ts';
import { send } from '../../src/features/notifications/send.ts';
import { ManualClock } from '../../src/platform/clock.ts';
import { readConfig } from '../../src/platform/config.ts';
import { Metrics } from '../../src/platform/metrics.ts';
import { GuardedClient } from '../../src/platform/outbound/guarded.ts';
import { hostList, networkList } from '../../src/platform/outbound/settings.ts';
import { Vault } from '../../src/platform/vault.ts';
import { recordingLogger } from '../harness/logger.ts';

/** How a channel is tried: where its receiver listens, and what it must never show. */
export interface Bed {
  channel: string;
  /** Environment and address for a receiver on this port of 127.0.0.1. */
  at(port: number): { environment: Record<string, string>; address: Record<string, unknown> };
}

export const SECRET = 'hunter2-geheim+/=x';
const ENCODED = encodeURIComponent(SECRET);

/** Every channel; chat once for each dialect. */
export const BEDS: Record<string, Bed> = {
  slack: {
    channel: 'slack',
    at: (port) => ({
      environment: { SLACK_API_TOKEN: SECRET, SLACK_API_BASE_URL: `http://127.0.0.1:${port}` },
      address: { channel_id: 'C1' },
    }),
  },
  pagerduty: {
    channel: 'pagerduty',
    at: (port) => ({
      environment: { PAGERDUTY_EVENTS_URL: `http://127.0.0.1:${port}/v2/enqueue` },
      address: { service_key: SECRET },
    }),
  },
  webhook: {
    channel: 'webhook',
    at: (port) => ({
      environment: {},
      address: { url: `http://127.0.0.1:${port}/hook`, headers: { 'X-Token': SECRET }, secret: SECRET },
    }),
  },
  email: {
    channel: 'email',
    at: (port) => ({
      environment: {
        MEDIC_SMTP_URL: `smtp://medic:${ENCODED}@127.0.0.1:${port}`,
        MEDIC_SMTP_FROM: 'Medic <medic@example.com>',
      },
      address: { to: ['sre@example.com', 'boss@example.com'] },
    }),
  },
  ...Object.fromEntries(
    ['discord', 'teams', 'mattermost'].map((kind) => [
      kind,
      {
        channel: 'chat',
        at: (port: number) => ({
          environment: {},
          address: { kind, url: `http://127.0.0.1:${port}/hooks/${ENCODED}` },
        }),
      },
    ]),
  ),
};

export interface Tried {
  channel: Channel;
  destination: string;
  /** As it is stored. */
  stored: object;
  lines: object[];
  send(facts: Facts): Promise<Outcome>;
}

/** A channel as Medic makes it, with a receiver on `port`, used as delivery uses it. */
export function tryOut(bed: Bed, port: number): Tried {
  const { environment, address } = bed.at(port);
  const { log, lines } = recordingLogger();
  const clock = new ManualClock(new Date('2026-03-08T08:30:00.000Z'));
  const networks = networkList()('127.0.0.0/8') ?? [];
  const outbound = new GuardedClient({ hosts: hostList()('') ?? new Set(), networks }, log);
  const settings = readConfig({ MEDIC_BASE_URL: 'https://medic.example.com', ...environment });
  const channels = createChannels({ settings, clock, metrics: new Metrics(), outbound });
  const channel = channels.get(bed.channel) as Channel;
  const vault = new Vault({ current: Buffer.alloc(32, 7), previous: undefined });
  const to = { channel: bed.channel, destination: channel.target.destinationOf(address) };
  const stored = sealAddress({ vault, channels }, { ...to, address });
  const context = { log, vault, channels, secretsFor: async () => new Map<string, string>() };
  return {
    channel,
    destination: to.destination,
    stored,
    lines,
    send: (facts) => send(context, to, { facts, address: stored, deliveryId: 'd-1', attempt: 1 }),
  };
}

/** An SMTP server that takes every message and keeps it. */
export async function mailServer(
  options: { onAuth?: (password: string) => Error | null; onMail?: () => Error | null } = {},
): Promise<{ port: number; mails: string[]; close(): Promise<void> }> {
  const mails: string[] = [];
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    logger: false,
    onAuth: ({ password }, _session, done) => {
      const error = options.onAuth?.(password ?? '') ?? null;
      done(error, error === null ? { user: 'medic' } : undefined);
    },
    onMailFrom: (_address, _session, done) => done(options.onMail?.() ?? null),
    onData: (stream, _session, done) => {
      let text = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      stream.on('end', () => {
        mails.push(text);
        done(null);
      });
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.server.address() as { port: number };
  return {
    port: address.port,
    mails,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
