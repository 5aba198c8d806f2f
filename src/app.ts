import { secretsFor } from './features/access/secrets.ts';
import { KeyVerifier } from './features/access/verify.ts';
import { alertMetrics } from './features/alerts/metrics.ts';
import { EventStream } from './features/events/stream.ts';
import { HealthCheck } from './features/health/check.ts';
import { registerHealthMetrics, registerInfoMetrics } from './features/health/metrics.ts';
import { judgeHeld } from './features/heartbeats/held.ts';
import { heartbeatMetrics } from './features/heartbeats/metrics.ts';
import { Ingest } from './features/heartbeats/receive.ts';
import { createChannels } from './features/notifications/channels/index.ts';
import { notificationMetrics } from './features/notifications/metrics.ts';
import { registerServiceMetrics } from './features/services/metrics.ts';
import { RateLimits } from './http/rate-limit.ts';
import { Refusals } from './http/refusals.ts';
import type { Clock } from './platform/clock.ts';
import type { Settings } from './platform/config.ts';
import type { DatabasePool } from './platform/db.ts';
import type { Logger } from './platform/logging.ts';
import type { Metrics } from './platform/metrics.ts';
import { GuardedClient } from './platform/outbound/guarded.ts';
import { vaultOf } from './platform/secrets-key.ts';
import { RateLimiter } from './platform/sliding-window/limiter.ts';

/** Everything that the roles are made of, wired once. */
export type Parts = ReturnType<typeof wire>;

/** Puts the parts together: the only place that knows which implementation serves which feature. */
export function wire(tools: {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  settings: Settings;
  random?: () => number;
}) {
  const { db, clock, log, metrics, settings } = tools;
  const limiter = new RateLimiter(tools);
  const vault = vaultOf(settings);
  const outbound = new GuardedClient(
    {
      hosts: settings.MEDIC_ALLOWED_WEBHOOK_HOSTS ?? new Set(),
      networks: settings.MEDIC_ALLOWED_WEBHOOK_CIDRS ?? [],
    },
    log,
  );
  const channels = createChannels({ settings, clock, metrics, outbound });
  const context = {
    db,
    clock,
    log,
    random: tools.random ?? Math.random,
    vault,
    version: settings.MEDIC_VERSION,
    baseUrl: settings.MEDIC_BASE_URL,
    autoUnmuteHours: settings.ALERT_AUTO_UNMUTE_HOURS,
    reminderMinSeconds: settings.MEDIC_REMINDER_MIN_SECONDS,
    defaultRoute: {
      slackToken: settings.SLACK_API_TOKEN,
      slackChannel: settings.SLACK_CHANNEL_ID,
      pagerDutyKey: settings.PAGERDUTY_ROUTING_KEY,
    },
    slack: {
      tokenSet: settings.SLACK_API_TOKEN !== undefined,
      channelSet: settings.SLACK_CHANNEL_ID !== undefined,
    },
    pagerDuty: { routingKeySet: settings.PAGERDUTY_ROUTING_KEY !== undefined },
    limiter,
    channels,
    outbound,
    secretsFor: (names: readonly string[]) => secretsFor(db, vault, names),
    judgeHeld,
    heartbeatMetrics: heartbeatMetrics(metrics),
    alertMetrics: alertMetrics(metrics),
    notificationMetrics: notificationMetrics(metrics, channels.keys()),
  };
  const health = new HealthCheck(context);
  registerServiceMetrics(metrics);
  registerHealthMetrics(metrics, health);
  registerInfoMetrics(metrics, {
    version: settings.MEDIC_VERSION,
    environment: settings.MEDIC_ENVIRONMENT,
    description: 'Heartbeat monitor',
  });
  const keys = new KeyVerifier(tools);
  const access = { db, clock, keys, authenticates: settings.MEDIC_AUTH_MODE !== 'off' };
  const refusals = new Refusals(metrics);
  const limits = new RateLimits({ window: limiter, clock, settings, metrics });
  const ingest = new Ingest(context);
  const events = new EventStream(context);
  return { context, settings, metrics, health, limiter, limits, keys, refusals, access, ingest, events };
}
