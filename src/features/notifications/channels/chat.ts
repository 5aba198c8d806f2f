import { type Static, Type } from 'typebox';
import { AnyCase, Text } from '../../../platform/schema.ts';
import { type Channel, type ChannelTools, textOf } from './channel.ts';
import { DIALECTS } from './chat-dialects.ts';
import { hostIn } from './host.ts';
import { postToCaller } from './outbound-post.ts';
import { summaryOf } from './summary.ts';

const KINDS = ['discord', 'teams', 'mattermost'] as const;

const CONFIG = Type.Object(
  // Whoever knows the address of such a webhook may write to the channel: the address is the credential.
  { kind: AnyCase(KINDS), url: Text(2048) },
  { additionalProperties: false },
);

/** Incoming webhooks of chat programs: Discord, Microsoft Teams (workflows), Mattermost. */
export function chat({ settings, clock, outbound }: ChannelTools): Channel {
  return {
    name: 'chat',
    waitsSeconds: [1, 5, 30, 600],
    target: {
      schema: CONFIG,
      credentials: ['url'],
      urls: ['url'],
      destinationOf: (config) => `${textOf(config, 'kind')} at ${hostIn(textOf(config, 'url'))}`,
      identityOf: (config) => textOf(config, 'url'),
    },
    send: ({ facts, address }) => {
      const { kind, url } = address as Static<typeof CONFIG>;
      const body = JSON.stringify(DIALECTS[kind](summaryOf(facts, settings.MEDIC_TIMEZONE)));
      const headers = { 'Content-Type': 'application/json', 'User-Agent': `Medic/${settings.MEDIC_VERSION}` };
      return postToCaller(outbound, { url, headers, body }, clock);
    },
  };
}
