import type { Clock } from '../../../platform/clock.ts';
import type { NotificationMetrics } from '../metrics.ts';
import type { Channel } from './channel.ts';
import { pagerDuty } from './pagerduty.ts';
import { slack } from './slack.ts';

export interface ChannelSettings {
  slackApiUrl: string;
  slackToken: string | undefined;
  pagerDutyEventsUrl: string;
  baseUrl: string;
  timeZone: string;
}

/** Every channel by its name. */
export function createChannels(
  settings: ChannelSettings,
  clock: Clock,
  metrics: NotificationMetrics,
): ReadonlyMap<string, Channel> {
  const {
    slackApiUrl: apiUrl,
    slackToken: token,
    pagerDutyEventsUrl: eventsUrl,
    baseUrl,
    timeZone,
  } = settings;
  const channels = [
    slack({ apiUrl, token, timeZone, clock, requests: metrics.slackRequests }),
    pagerDuty({ eventsUrl, baseUrl, clock, requests: metrics.pagerDutyRequests }),
  ];
  return new Map(channels.map((channel) => [channel.name, channel]));
}
