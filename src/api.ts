import type { onRequestHookHandler } from 'fastify';
import type { Parts } from './app.ts';
import type { RateClass } from './features/access/rate-class.ts';
import { apiKeyRoutes } from './features/access/routes.ts';
import { secretRoutes } from './features/access/routes-secrets.ts';
import { sessionRoutes } from './features/access/routes-session.ts';
import { Sessions } from './features/access/sessions.ts';
import { alertRoutes, alertRoutesV1 } from './features/alerts/routes.ts';
import { explainRoutes } from './features/alerts/routes-explain.ts';
import { auditRoutes } from './features/audit/routes.ts';
import { eventRoutes } from './features/events/routes.ts';
import { healthRoutes, type Readiness } from './features/health/routes.ts';
import { PingKeys } from './features/heartbeats/ping-keys.ts';
import { heartbeatRoutes } from './features/heartbeats/routes.ts';
import { pingRoutes } from './features/heartbeats/routes-ping.ts';
import { signalRoutes } from './features/heartbeats/routes-signals.ts';
import { heartbeatRoutesV1 } from './features/heartbeats/routes-v1.ts';
import { webhookDeliveryRoutes } from './features/notifications/routes-webhook-deliveries.ts';
import { playbookRoutes } from './features/playbooks/routes-playbooks.ts';
import { schemaRoutes } from './features/playbooks/routes-schema.ts';
import { scriptRoutes } from './features/playbooks/routes-scripts.ts';
import { triggerRoutes } from './features/playbooks/routes-triggers.ts';
import { scheduleRoutes } from './features/routing/routes-schedules.ts';
import { targetRoutes } from './features/routing/routes-targets.ts';
import { teamRoutes } from './features/routing/routes-teams.ts';
import { webhookRoutes } from './features/routing/routes-webhooks.ts';
import { windowRoutes } from './features/routing/routes-windows.ts';
import { findWebhook } from './features/routing/webhooks.ts';
import { serviceRoutes } from './features/services/routes.ts';
import { snapshotRoutes } from './features/services/routes-snapshots.ts';
import { serviceRoutesV1 } from './features/services/routes-v1.ts';
import { createGate } from './http/gate.ts';
import { createServer, type Router } from './http/server.ts';
import { MedicError } from './platform/errors.ts';

/** The `api` role: every route of every feature. */
export function createApi(parts: Parts, readiness: Readiness): Promise<Router> {
  return server(parts, readiness, (app) => {
    const { access, context, events, ingest, limits, refusals, settings } = parts;
    for (const prefix of ['', '/v1'] as const) {
      heartbeatRoutesV1(app, context.db, ingest, prefix);
      serviceRoutesV1(app, context, prefix);
      alertRoutesV1(app, context, prefix);
    }
    signalRoutes(app, ingest);
    pingRoutes(app, ingest, new PingKeys(context));
    heartbeatRoutes(app, context.db, context.clock);
    serviceRoutes(app, context);
    snapshotRoutes(app, context);
    alertRoutes(app, context);
    apiKeyRoutes(app, access);
    const { MEDIC_AUTH_MODE: mode } = settings;
    sessionRoutes(app, { ...access, refusals, limits, mode, baseUrl: context.baseUrl });
    secretRoutes(app, context);
    explainRoutes(app, context);
    targetRoutes(app, context);
    webhookRoutes(app, context);
    webhookDeliveryRoutes(app, context, (webhookId) => findWebhook(context, webhookId));
    teamRoutes(app, context);
    scheduleRoutes(app, context);
    windowRoutes(app, context);
    playbookRoutes(app, context);
    triggerRoutes(app, context);
    scriptRoutes(app, context);
    schemaRoutes(app);
    auditRoutes(app, context);
    eventRoutes(app, events);
  });
}

/** The listener of a stand-alone worker: health and metrics. */
export function createProbe(parts: Parts, readiness: Readiness): Promise<Router> {
  return server(parts, readiness, () => {});
}

function server(parts: Parts, readiness: Readiness, routes: (app: Router) => void): Promise<Router> {
  const { context, health, keys, limits, metrics, refusals, settings } = parts;
  const { log, version, baseUrl } = context;
  const sessions = new Sessions(context);
  const gate = createGate({ mode: settings.MEDIC_AUTH_MODE, keys, sessions, refusals, limits });
  const admission = waitForDatabase(readiness, gate);
  return createServer({ log, metrics, version, baseUrl, admission, limits }, (app) => {
    healthRoutes(app, context, health, readiness, metrics);
    routes(app);
  });
}

const NEED_NO_TABLE: readonly RateClass[] = ['health', 'metrics', 'docs'];

/** Before the schema is current, only what needs no table is answered. */
function waitForDatabase(readiness: Readiness, gate: onRequestHookHandler): onRequestHookHandler {
  return function (request, reply, done) {
    const { access } = request.routeOptions.config;
    const waits = access !== undefined && !NEED_NO_TABLE.includes(access.rateClass) && !readiness.migrated;
    if (waits) done(new MedicError('database_unavailable', 'The database is not ready yet, try again'));
    else gate.call(this, request, reply, done);
  };
}
