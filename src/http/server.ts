import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type onRequestHookHandler,
} from 'fastify';
import { type Logger, named } from '../platform/logging.ts';
import type { Metrics } from '../platform/metrics.ts';
import { ambiguityOf } from './ambiguity.ts';
import { readJsonBodies } from './body.ts';
import { failureOf, isDataRefusal } from './envelope.ts';
import { ResponseHeaders } from './headers.ts';
import { aboutOf, observeRequests } from './observe.ts';
import { publishOpenApi } from './openapi.ts';
import type { RateLimits } from './rate-limit.ts';
import { answerWhatNodeRefuses, refuseConnection } from './refuse-connection.ts';
import { answerUnmatched } from './unmatched.ts';
import { createValidatorCompiler } from './validation.ts';

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

/** How long a connection is borne, in milliseconds. */
export interface Patience {
  /** A whole request must have arrived within this time (spec 05 section 10). */
  requestMs: number;
  /** Distance of the looks at the time above: so much longer it may take. */
  checkEveryMs: number;
  /** Between two requests of one connection. */
  idleMs: number;
  /** While nothing at all moves, such as when an answer is not read. */
  stalledMs: number;
}

const PATIENCE: Patience = { requestMs: 30_000, checkEveryMs: 1_000, idleMs: 65_000, stalledMs: 120_000 };

export interface ServerOptions {
  log: Logger;
  metrics: Metrics;
  version: string;
  /** Asked before anything else is done with a request; also for unknown paths. */
  admission: onRequestHookHandler;
  limits: RateLimits;
  /** `MEDIC_BASE_URL`. */
  baseUrl: string;
  patience?: Patience;
}

/** What a feature registers its routes on. */
export type Router = ReturnType<typeof bare>;

/**
 * The HTTP server without any feature: bodies, errors, answers for unknown paths, metrics, OpenAPI.
 * Register the features in `routes`; whatever goes wrong in them is answered in the envelope.
 */
export async function createServer(
  { log: parent, metrics, version, admission, limits, baseUrl, patience = PATIENCE }: ServerOptions,
  routes: (app: Router) => void,
) {
  const log = named(parent, 'http');
  const headers = new ResponseHeaders(baseUrl);
  const app = bare(log, headers, limits, patience);
  app.setValidatorCompiler(createValidatorCompiler());
  app.setErrorHandler((error, request, reply) => sendFailure(log, error, request, reply));
  app.addHook('onRequest', (request, reply, done) => {
    headers.apply(request, reply);
    done();
  });
  app.decorateRequest('identity', undefined);
  const admitUnambiguous: onRequestHookHandler = function (request, reply, done) {
    const ambiguity = ambiguityOf(request.raw);
    if (ambiguity === undefined) admission.call(this, request, reply, done);
    else done(ambiguity);
  };
  app.addHook('onRequest', limits.after(admitUnambiguous));
  readJsonBodies(app, MAX_BODY_BYTES);
  answerWhatNodeRefuses(app.server, headers, limits);
  observeRequests(app, metrics, log);
  const unmatched = answerUnmatched(app);
  await publishOpenApi(app, version);
  await app.register(async (scope) => routes(scope as unknown as Router));
  unmatched.complete();
  return app;
}

function bare(log: Logger, headers: ResponseHeaders, limits: RateLimits, patience: Patience) {
  return Fastify({
    // Requests are logged by observeRequests, listening by main; only troubles of the framework are left.
    loggerInstance: log.child({}, { level: 'warn' }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: patience.requestMs,
    keepAliveTimeout: patience.idleMs,
    connectionTimeout: patience.stalledMs,
    forceCloseConnections: 'idle',
    // What arrives on an open connection during the shutdown is still answered, then the connection is closed.
    return503OnClosing: false,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      connectionsCheckingInterval: patience.checkEveryMs,
      requireHostHeader: false,
      // Node takes the longer one of the two as the limit of the request: its default here is 60 s.
      headersTimeout: patience.requestMs,
    },
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: false, maxParamLength: 8192 },
    genReqId: requestId,
    // No hook sees what cannot even be routed.
    frameworkErrors: (error, request, reply) => {
      headers.apply(request, reply);
      limits.count(request, reply, error, (refusal) => sendFailure(log, refusal, request, reply));
    },
    clientErrorHandler: (error, socket) => refuseConnection(headers, limits, error, socket),
  }).withTypeProvider<TypeBoxTypeProvider>();
}

/** The caller's id when it is harmless, else a new one (spec 05 section 10). */
function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : randomUUID();
}

function sendFailure(log: Logger, error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const schema = request.routeOptions?.schema?.body as { required?: string[] } | undefined;
  const failure = failureOf(error, schema?.required ?? []);
  const about = { ...aboutOf(request), exception: error };
  if (failure.status === 500) log.error(about, 'a request failed');
  else if (isDataRefusal(error)) log.warn(about, 'the database refused a value that validation let through');
  return reply
    .code(failure.status)
    .headers(failure.headers)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(failure.body);
}
