import type { Channel, ChannelTools } from './channel.ts';
import { chat } from './chat.ts';
import { email } from './email.ts';
import { pagerDuty } from './pagerduty.ts';
import { slack } from './slack.ts';
import { webhook } from './webhook.ts';

/** Every channel. */
const CHANNELS = [slack, pagerDuty, webhook, email, chat];

/** Every channel by its name. */
export function createChannels(tools: ChannelTools): ReadonlyMap<string, Channel> {
  return new Map(CHANNELS.map((create) => create(tools)).map((channel) => [channel.name, channel]));
}
