import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type onRequestHookHandler,
} from 'fastify';
import { MedicError } from '../platform/errors.ts';
import { type Logger, named } from '../platform/logging.ts';
import type { Metrics } from '../platform/metrics.ts';
import { readJsonBodies } from './body.ts';
import { failureOf, isDataRefusal } from './envelope.ts';
import { observeRequests } from './observe.ts';
import { publishOpenApi } from './openapi.ts';
import { answerUnmatched } from './unmatched.ts';
import { createValidatorCompiler } from './validation.ts';

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
/** A whole request must have arrived within this time. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface ServerOptions {
  log: Logger;
  metrics: Metrics;
  version: string;
  /** Asked in this order before anything else is done with a request; also for unknown paths. */
  admission: onRequestHookHandler[];
}

/** What a feature registers its routes on. */
export type Router = ReturnType<typeof bare>;

/**
 * The HTTP server without any feature: bodies, errors, answers for unknown paths, metrics, OpenAPI.
 * Register the features in `routes`; whatever goes wrong in them is answered in the envelope.
 */
export async function createServer(
  { log: parent, metrics, version, admission }: ServerOptions,
  routes: (app: Router) => void,
) {
  const log = named(parent, 'http');
  const app = bare(log);
  app.setValidatorCompiler(createValidatorCompiler());
  app.setErrorHandler((error, request, reply) => sendFailure(log, error, request, reply));
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    reply.header('cache-control', 'no-store');
    const { httpVersion, headers } = request.raw;
    const lacksHost = httpVersion === '1.1' && headers.host === undefined;
    done(lacksHost ? new MedicError('bad_request', 'The Host header is missing') : undefined);
  });
  app.decorateRequest('identity', undefined);
  for (const hook of admission) app.addHook('onRequest', hook);
  readJsonBodies(app, MAX_BODY_BYTES);
  answerWhatNodeRefuses(app.server);
  observeRequests(app, metrics, log);
  const unmatched = answerUnmatched(app);
  await publishOpenApi(app, version);
  await app.register(async (scope) => routes(scope as unknown as Router));
  unmatched.complete();
  return app;
}

function bare(log: Logger) {
  return Fastify({
    // Requests are logged by observeRequests, listening by main; only troubles of the framework are left.
    loggerInstance: log.child({}, { level: 'warn' }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 65_000,
    forceCloseConnections: 'idle',
    // What arrives on an open connection during the shutdown is still answered, then the connection is closed.
    return503OnClosing: false,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      connectionsCheckingInterval: 5_000,
      requireHostHeader: false,
      // Node takes the longer one of the two as the limit of the request: its default here is 60 s.
      headersTimeout: REQUEST_TIMEOUT_MS,
    },
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: false, maxParamLength: 8192 },
    genReqId: requestId,
    frameworkErrors: (error, request, reply) => sendFailure(log, error, request, reply),
    clientErrorHandler: refuseConnection,
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
  const route = request.routeOptions?.url ?? 'unmatched';
  const about = { request_id: request.id, method: request.method, route, exception: error };
  if (failure.status === 500) log.error(about, 'a request failed');
  else if (isDataRefusal(error)) log.warn(about, 'the database refused a value that validation let through');
  return reply
    .code(failure.status)
    .headers(failure.headers)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(failure.body);
}

const CLIENT_ERRORS: Record<string, { status: number; text: string; message: string }> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    text: 'Request Header Fields Too Large',
    message: 'The headers are larger than 16 KiB',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    text: 'Request Timeout',
    message: 'The request did not arrive in time',
  },
};

/** Node by itself would answer these without a body, or not at all. */
function answerWhatNodeRefuses(server: Server): void {
  server.on('connect', (_request, socket: Socket) => {
    refuseConnection(new Error('CONNECT is for proxies'), socket);
  });
  // An expectation that nobody knows may be ignored (RFC 9110 section 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

/** What is not even HTTP is answered in the envelope too, and its connection closed. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const known = CLIENT_ERRORS[error.code ?? ''] ?? {
    status: 400,
    text: 'Bad Request',
    message: 'The request is not valid HTTP',
  };
  const body = JSON.stringify({ success: false, message: known.message, results: '' });
  socket.end(
    `HTTP/1.1 ${known.status} ${known.text}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
