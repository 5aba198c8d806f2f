import { Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { answers, ok } from '../../http/envelope.ts';
import { clamp } from '../../http/list.ts';
import type { Router } from '../../http/server.ts';
import type { Database } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { AnyCase, Instant, Nullable, SearchText, Text } from '../../platform/schema.ts';
import { storedMessage } from './message.ts';
import { nameKey } from './name.ts';
import type { Ingest } from './receive.ts';
import { STATUSES } from './status.ts';
import { newestEvents } from './store-events.ts';

const tags = ['v1'];
const MOST_EVENTS = 250;

const Body = Type.Object(
  {
    heartbeat_name: Text(255),
    status: AnyCase(STATUSES),
    service_name: Type.Optional(Type.String()),
    run_id: Type.Optional(Text(255)),
    message: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

const Event = Type.Object({
  heartbeat_id: Type.Integer(),
  heartbeat_name: Type.String(),
  service_name: Type.String(),
  time: Instant,
  status: Type.String(),
  team: Type.String(),
  priority: Type.String(),
  run_id: Nullable(Type.String()),
});

const Query = Type.Object(
  {
    heartbeat_name: Type.Optional(SearchText),
    service_name: Type.Optional(SearchText),
    maxCount: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

/** `/heartbeat`, and `/v1/heartbeat`, its identical alias (spec 01 section 5). */
export function heartbeatRoutesV1(app: Router, db: Database, ingest: Ingest, prefix: '' | '/v1'): void {
  app.post(
    `${prefix}/heartbeat`,
    {
      config: needs('write', 'heartbeat'),
      schema: { tags, summary: 'Record a heartbeat', body: Body, response: answers(201, Type.Literal('')) },
    },
    async ({ body }, reply) => {
      const { fate } = await ingest.receive({
        service: { nameKey: nameKey(body.heartbeat_name) },
        status: body.status,
        source: 'api',
        runId: body.run_id ?? null,
        message: body.message === undefined ? null : storedMessage(body.message),
      });
      if (fate === 'unknown') throw new MedicError('not_found', `${body.heartbeat_name} is not registered`);
      if (fate === 'inactive') throw new MedicError('bad_request', `${body.heartbeat_name} is inactive`);
      reply.code(201);
      return ok('' as const, 'Heartbeat recorded');
    },
  );

  app.get(
    `${prefix}/heartbeat`,
    {
      config: needs('read', 'heartbeat'),
      schema: {
        tags,
        summary: 'Query events, newest first',
        querystring: Query,
        response: answers(200, Type.Array(Event)),
      },
    },
    async ({ query }) => {
      const rows = await newestEvents(db, {
        nameKey: query.heartbeat_name === undefined ? undefined : nameKey(query.heartbeat_name),
        serviceName: query.service_name,
        limit: clamp(query.maxCount, MOST_EVENTS, 1, MOST_EVENTS),
      });
      return ok(rows.map(({ received_at, ...row }) => ({ ...row, time: received_at.toISOString() })));
    },
  );
}
