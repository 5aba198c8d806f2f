import type { onRequestHookHandler } from 'fastify';
import type { Parts } from './app.ts';
import type { RateClass } from './features/access/rate-class.ts';
import { apiKeyRoutes } from './features/access/routes.ts';
import { secretRoutes } from './features/access/routes-secrets.ts';
import { sessionRoutes } from './features/access/routes-session.ts';
import { findSession } from './features/access/sessions.ts';
import { alertRoutes, alertRoutesV1 } from './features/alerts/routes.ts';
import { healthRoutes, type Readiness } from './features/health/routes.ts';
import { heartbeatRoutes } from './features/heartbeats/routes.ts';
import { pingRoutes } from './features/heartbeats/routes-ping.ts';
import { signalRoutes } from './features/heartbeats/routes-signals.ts';
import { heartbeatRoutesV1 } from './features/heartbeats/routes-v1.ts';
import { serviceRoutes } from './features/services/routes.ts';
import { serviceRoutesV1 } from './features/services/routes-v1.ts';
import { createGate } from './http/gate.ts';
import { createServer, type Router } from './http/server.ts';
import { MedicError } from './platform/errors.ts';

/** The `api` role: every route of every feature. */
export function createApi(parts: Parts, readiness: Readiness): Promise<Router> {
  return server(parts, readiness, (app) => {
    const { access, context, ingest, refusals, settings } = parts;
    for (const prefix of ['', '/v1'] as const) {
      heartbeatRoutesV1(app, context.db, ingest, prefix);
      serviceRoutesV1(app, context, prefix);
      alertRoutesV1(app, context, prefix);
    }
    signalRoutes(app, ingest);
    pingRoutes(app, ingest);
    heartbeatRoutes(app, context.db, context.clock);
    serviceRoutes(app, context);
    alertRoutes(app, context);
    apiKeyRoutes(app, access);
    sessionRoutes(app, { ...access, refusals, mode: settings.MEDIC_AUTH_MODE, baseUrl: context.baseUrl });
    secretRoutes(app, context);
  });
}

/** The listener of a stand-alone worker: health and metrics. */
export function createProbe(parts: Parts, readiness: Readiness): Promise<Router> {
  return server(parts, readiness, () => {});
}

function server(parts: Parts, readiness: Readiness, routes: (app: Router) => void): Promise<Router> {
  const { context, health, keys, metrics, refusals, settings } = parts;
  const { log, version, baseUrl } = context;
  const find = (token: string) => findSession(context.db, token, context.clock.now());
  const admission = [
    waitForDatabase(readiness),
    createGate({ mode: settings.MEDIC_AUTH_MODE, keys, findSession: find, refusals }),
  ];
  return createServer({ log, metrics, version, baseUrl, admission }, (app) => {
    healthRoutes(app, context, health, readiness, metrics);
    routes(app);
  });
}

const NEED_NO_TABLE: readonly RateClass[] = ['health', 'metrics', 'docs'];

/** Before the schema is current, only what needs no table is answered. */
function waitForDatabase(readiness: Readiness): onRequestHookHandler {
  return (request, _reply, done) => {
    const { access } = request.routeOptions.config;
    const waits = access !== undefined && !NEED_NO_TABLE.includes(access.rateClass) && !readiness.migrated;
    done(
      waits ? new MedicError('database_unavailable', 'The database is not ready yet, try again') : undefined,
    );
  };
}
