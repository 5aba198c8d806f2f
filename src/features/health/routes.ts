import { Type } from 'typebox';
import { open } from '../../http/access.ts';
import { failures } from '../../http/envelope.ts';
import type { Router } from '../../http/server.ts';
import type { Metrics } from '../../platform/metrics.ts';
import type { HealthCheck, HealthContext } from './check.ts';

/** What the process knows about itself. */
export interface Readiness {
  /** The schema is current. */
  migrated: boolean;
  stopping: boolean;
  /** The worker's loop has completed a round within the last minute; true without a worker. */
  workerAlive: () => boolean;
}

const tags = ['health'];
const Anything = Type.Unsafe<object>({ type: 'object', additionalProperties: true });
const responses = { 200: Anything, 503: Anything, ...failures };

/** `/health…`, `/metrics` and the network check (spec 07); answers without envelope. */
export function healthRoutes(
  app: Router,
  context: HealthContext,
  check: HealthCheck,
  readiness: Readiness,
  metrics: Metrics,
): void {
  const timestamp = () => context.clock.now().toISOString();
  const config = open('health');

  app.get(
    '/health',
    { config, schema: { tags, summary: 'State of all components', response: responses } },
    async (_request, reply) => {
      const components = await check.components();
      const down = components.database.status === 'unhealthy';
      const lame = components.worker.status === 'unhealthy' || components.redis.status === 'unhealthy';
      const status = down ? 'unhealthy' : lame ? 'degraded' : 'healthy';
      if (down) reply.code(503);
      const { version } = context;
      return { status, timestamp: timestamp(), version, runtime_version: process.version, components };
    },
  );

  app.get(
    '/health/live',
    { config, schema: { tags, summary: 'The process is alive', response: responses } },
    (_request, reply) => {
      const alive = readiness.workerAlive();
      reply.code(alive ? 200 : 503).send({ status: alive ? 'alive' : 'stalled', timestamp: timestamp() });
    },
  );

  app.get(
    '/health/ready',
    { config, schema: { tags, summary: 'The process takes requests', response: responses } },
    async (_request, reply) => {
      const { database, redis } = await check.components();
      const ready = database.status === 'healthy' && readiness.migrated && !readiness.stopping;
      reply.code(ready ? 200 : 503);
      const status = ready ? 'ready' : 'not_ready';
      return { status, timestamp: timestamp(), database: database.status, redis: redis.status };
    },
  );

  app.get(
    '/v1/healthcheck/network',
    {
      config,
      schema: { tags, summary: 'Nothing but an answer', response: { 204: Type.Null(), ...failures } },
    },
    (_request, reply) => {
      reply.code(204).send(null);
    },
  );

  app.get(
    '/metrics',
    {
      config: open('metrics'),
      schema: {
        tags: ['metrics'],
        summary: 'Prometheus or OpenMetrics page',
        response: { 200: Type.String(), ...failures },
      },
    },
    async (request, reply) => {
      const { contentType, page } = await metrics.expose(request.headers.accept, context.db);
      return reply.type(contentType).send(page);
    },
  );
}
