import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from '../platform/logging.ts';
import type { Metrics } from '../platform/metrics.ts';

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts and logs every answer, under the template of its route and never under the concrete path. */
export function observeRequests(app: FastifyInstance, metrics: Metrics, log: Logger): void {
  const total = metrics.tally('medic_http_server_request_total', 'Answered requests', [
    'method',
    'route',
    'status_code',
    'service_name',
  ]);
  const duration = metrics.histogram(
    'medic_http_server_request_duration_seconds',
    'Time from request to answer',
    BUCKETS,
    ['method', 'route', 'service_name'],
  );
  app.addHook('onResponse', (request, reply, done) => {
    const { config, url } = request.routeOptions;
    const route = routeOf(request);
    const { method } = request;
    const seconds = reply.elapsedTime / 1000;
    total.add(method, route, String(reply.statusCode), 'medic');
    duration.observe({ method, route, service_name: 'medic' }, seconds);
    const level = config.quiet === true || url === undefined ? 'debug' : 'info';
    if (log.isLevelEnabled(level)) {
      log[level](
        {
          ...aboutOf(request),
          status_code: reply.statusCode,
          duration_ms: Math.round(reply.elapsedTime * 10) / 10,
        },
        'request',
      );
    }
    done();
  });
}

/** Which request a line is about, and whose (spec 05 section 3, spec 07 section 3). */
export function aboutOf(request: FastifyRequest): Record<string, unknown> {
  const { id, identity, method } = request;
  const caller =
    identity === undefined || identity.apiKeyId === null
      ? {}
      : { api_key_id: identity.apiKeyId, api_key_name: identity.name, api_key_scopes: identity.scopes };
  return { request_id: id, ...caller, method, route: routeOf(request) };
}

/** The template of the path. */
function routeOf({ routeOptions }: FastifyRequest): string {
  return routeOptions?.url ?? 'unmatched';
}
