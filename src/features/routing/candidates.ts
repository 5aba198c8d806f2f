/**
 * Who could be told about services: their targets and webhooks, and the default route (spec 04 sections 2 to 5).
 * In: targets, webhooks, schedules and teams. Out: values only. Crash: nothing is left.
 */
import type { Database } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { Channel } from '../notifications/channels/channel.ts';
import { slackChannels } from './channels.ts';
import type { Configured } from './configure.ts';
import type { Routes } from './decide.ts';
import type { Place } from './decision.ts';
import type { DefaultRoute } from './destination.ts';
import { isInside } from './hours.ts';
import { routingOf, type ServiceRouting } from './store-candidates.ts';
import { ofServices as targetsOf } from './store-targets.ts';
import { ofServices as webhooksOf } from './store-webhooks.ts';

export interface CandidateContext {
  defaultRoute: DefaultRoute;
  channels: ReadonlyMap<string, Channel>;
  log: Logger;
}

/** Who could be told about a service at an instant. */
export type RoutesAt = (serviceId: number, at: Date) => Routes;

export async function candidatesOf(
  db: Database,
  { defaultRoute, channels, log }: CandidateContext,
  serviceIds: readonly number[],
): Promise<RoutesAt> {
  const ids = [...new Set(serviceIds)];
  const services = new Map((await routingOf(db, ids)).map((row) => [row.service_id, row]));
  const teamChannels = await slackChannels(db, ids);
  const targets = Map.groupBy(await targetsOf(db, ids), ({ service_id }) => service_id);
  const webhooks = await webhooksOf(db, ids);
  return (serviceId, at) => ({
    defaultRoute: {
      ...defaultRoute,
      slackChannel: teamChannels.get(serviceId) ?? defaultRoute.slackChannel,
    },
    mode: services.get(serviceId)?.notification_mode ?? 'notify_all',
    duringHours: isDuringHours(services.get(serviceId), at, log),
    targets: (targets.get(serviceId) ?? []).map((row) => ({
      ...placeOf(row.type, row),
      targetId: row.target_id,
      enabled: row.enabled,
      period: row.period,
      unavailable: channels.get(row.type)?.unavailable,
    })),
    webhooks: webhooks
      .filter(({ service_id }) => service_id === null || service_id === serviceId)
      .map((row) => ({ ...placeOf('webhook', row), webhookId: row.webhook_id, enabled: row.enabled })),
  });
}

function placeOf(channel: string, { destination, address }: Configured): Place {
  return { channel, destination, address, identity: identityOf(address), targetId: null, webhookId: null };
}

/** Equal for equal addresses: the digest with which every address is stored. */
export function identityOf(address: Place['address']): string {
  return String(address.digest ?? '');
}

/** A schedule that cannot be evaluated holds nobody back: it is told, and the service is as one without (G7). */
function isDuringHours(service: ServiceRouting | undefined, at: Date, log: Logger): boolean {
  if (service === undefined || service.timezone === null || service.hours === null) return true;
  const { service_id, timezone, hours } = service;
  try {
    return isInside({ timezone, hours }, at);
  } catch (error) {
    named(log, 'routing').error({ service_id, exception: error }, 'a schedule cannot be evaluated');
    return true;
  }
}
