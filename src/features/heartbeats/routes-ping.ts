import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { Access } from '../../http/access.ts';
import { keepFirstBytes } from '../../http/body.ts';
import type { Router } from '../../http/server.ts';
import { isUnavailable } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { MESSAGE_BYTES, storedMessage } from './message.ts';
import { isPingKey, type PingKeys } from './ping-keys.ts';
import type { Ingest } from './receive.ts';
import { isRunId } from './run-id.ts';
import type { Status } from './status.ts';

/** The key in the path is the credential. */
const access: Access = { scope: null, rateClass: 'ping' };
const EXIT_CODE = /^(?:0|[1-9]\d{0,2})$/;
const HIGHEST_EXIT_CODE = 255;

const PLAIN = 'text/plain; charset=utf-8';
const PlainText = Type.String();
const response = { 200: PlainText, 400: PlainText, 404: PlainText, 429: PlainText, 503: PlainText };

interface PingRequest {
  Params: { ping_key: string; suffix?: string };
  Querystring: Record<string, unknown>;
}

/** `/ping/{ping_key}…` for plain curl and wget (spec 01 section 5.3): GET, HEAD and POST alike, answered in plain text. */
export function pingRoutes(app: Router, ingest: Ingest, keys: PingKeys): void {
  app.register(async (scope) => {
    keepFirstBytes(scope, MESSAGE_BYTES);
    scope.setErrorHandler((error, _request, reply) => {
      const failure = error instanceof MedicError ? error : undefined;
      if (failure?.code === 'rate_limited') {
        const seconds = String(failure.retryAfter ?? 1);
        return reply.code(429).type(PLAIN).header('retry-after', seconds).send('rate limit exceeded');
      }
      if (!isUnavailable(error) && failure?.status !== 503) throw error;
      return reply.code(503).type(PLAIN).header('retry-after', '5').send('try again');
    });
    for (const url of ['/ping/:ping_key', '/ping/:ping_key/:suffix']) {
      scope.route<PingRequest>({
        method: ['GET', 'POST'],
        url,
        config: {
          access,
          quiet: true,
          bucket: ({ params }) => keys.bucketOf((params as PingRequest['Params']).ping_key),
        },
        schema: {
          tags: ['ping'],
          summary: 'Heartbeat without headers: the key in the path is the credential',
          description:
            'Without suffix UP; start, complete and fail; an exit code: 0 is COMPLETED, 1 to 255 FAILED. Query run_id.',
          response,
        },
        handler: ({ params, query, body }, reply) => ping(ingest, keys, params, query, body, reply),
      });
    }
  });
}

async function ping(
  ingest: Ingest,
  keys: PingKeys,
  params: PingRequest['Params'],
  query: Record<string, unknown>,
  body: unknown,
  reply: FastifyReply,
) {
  reply.type(PLAIN);
  const meaning = meaningOf(params.suffix);
  if (meaning === undefined || !isPingKey(params.ping_key)) return reply.code(404).send('not found');
  const { run_id: runId } = query;
  if (runId !== undefined && (typeof runId !== 'string' || !isRunId(runId))) {
    return reply.code(400).send('run_id must have 1 to 255 characters');
  }
  const text = [meaning.note, typeof body === 'string' ? body : ''].filter((part) => part !== '').join('\n');
  const { fate } = await ingest.receive({
    service: { pingKey: params.ping_key },
    status: meaning.status,
    source: 'ping',
    runId: runId ?? null,
    message: text === '' ? null : storedMessage(text),
  });
  if (fate === 'unknown') {
    keys.forget(params.ping_key);
    return reply.code(404).send('not found');
  }
  if (fate !== 'recorded') return reply.code(400).send('service is inactive');
  return reply.code(200).send('OK');
}

const WORDS: Record<string, Status> = { start: 'STARTED', complete: 'COMPLETED', fail: 'FAILED' };

/** What a suffix means, and what it adds to the message; undefined: nothing is known by that name. */
function meaningOf(suffix: string | undefined): { status: Status; note: string } | undefined {
  if (suffix === undefined) return { status: 'UP', note: '' };
  const status = Object.hasOwn(WORDS, suffix) ? WORDS[suffix] : undefined;
  if (status !== undefined) return { status, note: '' };
  if (!EXIT_CODE.test(suffix) || Number(suffix) > HIGHEST_EXIT_CODE) return undefined;
  return { status: suffix === '0' ? 'COMPLETED' : 'FAILED', note: `exit code ${suffix}` };
}
