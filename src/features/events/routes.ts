import type { Readable } from 'node:stream';
import { Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { Failure } from '../../http/envelope.ts';
import type { Router } from '../../http/server.ts';
import { invalid } from '../../platform/errors.ts';
import { ANONYMOUS } from '../access/identity.ts';
import { EVENT_TYPES, type EventType } from './event.ts';
import type { EventStream } from './stream.ts';

const MEDIA_TYPE = 'text/event-stream; charset=utf-8';

/** `/v2/events` (spec 10 section 7). */
export function eventRoutes(app: Router, events: EventStream): void {
  // Open streams would otherwise hold up the end of the server.
  app.addHook('preClose', () => events.close());

  app.get(
    '/v2/events',
    {
      config: needs('read'),
      schema: {
        tags: ['events'],
        summary: 'What happens, as it happens: server-sent events',
        description:
          'types: comma list of events, default all. The header Last-Event-ID resumes after an event; when that is not known any more, the first event is reset.',
        querystring: Type.Object(
          { types: Type.Optional(Type.String({ maxLength: 1000 })) },
          { additionalProperties: false },
        ),
        response: { 200: Type.Unsafe<Readable>({ type: 'string' }), '4xx': Failure, '5xx': Failure },
      },
    },
    async (request, reply) => {
      const types = typesOf(request.query.types);
      // A proxy that collects what it passes on would turn a stream into nothing.
      reply.type(MEDIA_TYPE).header('x-accel-buffering', 'no');
      if (request.method === 'HEAD') return reply.send('' as never);
      const after = positionOf(request.headers['last-event-id']);
      const stream = await events.open({ identity: request.identity ?? ANONYMOUS, types, after });
      // Fastify ends it with the connection, unless that has gone before.
      if (request.raw.socket.destroyed) stream.destroy();
      return reply.send(stream);
    },
  );
}

function typesOf(text: string | undefined): ReadonlySet<EventType> | null {
  if (text === undefined) return null;
  const words = text.split(',').map((word) => word.trim().toLowerCase());
  const types = words.map((word) => EVENT_TYPES.find((type) => type === word));
  if (!types.every((type) => type !== undefined)) {
    throw invalid('types', `must be a comma list of ${EVENT_TYPES.join(', ')}`);
  }
  return new Set(types);
}

/** Null: none is asked for; undefined: one that cannot exist. */
function positionOf(header: string | string[] | undefined): number | null | undefined {
  if (header === undefined || header === '') return null;
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
