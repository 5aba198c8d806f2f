import { type Static, Type } from 'typebox';
import { may, needs } from '../../http/access.ts';
import { authorOf } from '../../http/actor.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { MedicError } from '../../platform/errors.ts';
import { AnyCase, Instant, MAX_ID, SearchText, Text } from '../../platform/schema.ts';
import { nameKey } from '../heartbeats/name.ts';
import { changeMany } from './bulk.ts';
import { BulkV2, CreateV2, MuteV2, PatchV2 } from './fields.ts';
import {
  change,
  type ManageContext,
  muteService,
  register,
  remove,
  rotatePingKey,
  unmuteService,
} from './manage.ts';
import { muteEnd } from './mute-request.ts';
import { ruleOf, SERVICE_STATES, ServiceV2, upcoming } from './resource.ts';
import * as store from './store.ts';
import { servicesV2 } from './view.ts';

const tags = ['services'];
/** Expected times that a single service shows. */
const PREVIEWED = 10;
const ServiceDetail = Type.Object({
  ...ServiceV2.properties,
  next_expected_times: Type.Array(Instant),
});
const Params = Type.Object({ service_id: Type.String() });

const ListQuery = Type.Object(
  {
    ...PageQuery,
    heartbeat_name: Type.Optional(SearchText),
    service_name: Type.Optional(SearchText),
    q: Type.Optional(Text(255, 0)),
    active: Type.Optional(Type.Boolean()),
    muted: Type.Optional(Type.Boolean()),
    down: Type.Optional(Type.Boolean()),
    state: Type.Optional(AnyCase(SERVICE_STATES)),
    team: Type.Optional(SearchText),
    team_id: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_ID })),
    priority: Type.Optional(AnyCase(['p1', 'p2', 'p3', 'p4', 'p5'])),
    sort: Type.Optional(AnyCase(store.SORTS)),
    dir: Type.Optional(AnyCase(['asc', 'desc'])),
  },
  { additionalProperties: false },
);

/** `/v2/services`. */
export function serviceRoutes(app: Router, context: ManageContext): void {
  const { db, clock, baseUrl } = context;
  const show = (rows: store.ServiceRow[], pingKeys: boolean) =>
    servicesV2(db, rows, { now: clock.now(), baseUrl, pingKeys });
  const find = async (id: number) => {
    const service = await store.findById(db, id, clock.now());
    if (service === undefined) throw new MedicError('not_found', `Service ${id} not found`);
    return service;
  };
  /** @param pingKeys callers that may change it may see its ping key */
  const showOne = async (row: store.ServiceRow, pingKeys = true) =>
    (await show([row], pingKeys))[0] as Static<typeof ServiceV2>;

  app.get(
    '/v2/services',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List services',
        querystring: ListQuery,
        response: answers(200, ListOf(ServiceV2)),
      },
    },
    async (request) => {
      const { query } = request;
      const now = clock.now();
      const page = pageOf(query);
      const filter = filterOf(query);
      const [rows, total] = await Promise.all([
        store.list(db, { filter, sort: query.sort ?? 'service_id', dir: query.dir ?? 'asc', ...page }, now),
        store.count(db, filter, now),
      ]);
      return ok(listOf(await show(rows, may(request, 'write')), total, page));
    },
  );

  app.post(
    '/v2/services',
    {
      config: needs('write'),
      schema: { tags, summary: 'Register a service', body: CreateV2, response: answers(201, ServiceV2) },
    },
    async (request, reply) => {
      const { created, service } = await register(context, request.body, authorOf(request));
      if (!created) throw new MedicError('conflict', `${service.heartbeat_name} is already registered`);
      reply.code(201);
      return ok(await showOne(service), 'Service created');
    },
  );

  app.post(
    '/v2/services/bulk',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'One change for many services: all of them, or none',
        description:
          'value: a priority, a team, or for a mute its duration, or an object as the single mute takes it.',
        body: BulkV2,
        response: answers(200, Type.Object({ service_ids: Type.Array(Type.Integer()) })),
      },
    },
    async (request) => {
      const service_ids = await changeMany(context, request.body, authorOf(request));
      return ok({ service_ids }, `${service_ids.length} services changed`);
    },
  );

  app.get(
    '/v2/services/:service_id',
    {
      config: needs('read'),
      schema: { tags, summary: 'One service', params: Params, response: answers(200, ServiceDetail) },
    },
    async (request) => {
      const service = await find(idOf(request.params.service_id, 'Service'));
      const next_expected_times = upcoming(ruleOf(service), clock.now(), PREVIEWED).map((at) =>
        at.toISOString(),
      );
      return ok({ ...(await showOne(service, may(request, 'write'))), next_expected_times });
    },
  );

  app.patch(
    '/v2/services/:service_id',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Change a service',
        params: Params,
        body: PatchV2,
        response: answers(200, ServiceV2),
      },
    },
    async (request) => {
      const { params, body } = request;
      const id = idOf(params.service_id, 'Service');
      const nothing = Object.keys(body).length === 0;
      return ok(await showOne(await (nothing ? find(id) : change(context, id, body, authorOf(request)))));
    },
  );

  app.delete(
    '/v2/services/:service_id',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Remove a service and its events',
        params: Params,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await remove(context, idOf(request.params.service_id, 'Service'), authorOf(request));
      return ok('' as const, 'Service deleted');
    },
  );

  app.post(
    '/v2/services/:service_id/ping-key/rotate',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Replace the ping key; the old one is unknown at once',
        params: Params,
        body: Type.Object({}, { additionalProperties: false }),
        response: answers(200, ServiceV2),
      },
    },
    async (request) => {
      const id = idOf(request.params.service_id, 'Service');
      return ok(await showOne(await rotatePingKey(context, id, authorOf(request))), 'Ping key rotated');
    },
  );

  app.post(
    '/v2/services/:service_id/mute',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Hold back messages about a service',
        params: Params,
        body: MuteV2,
        response: answers(200, ServiceV2),
      },
    },
    async (request) => {
      const { params, body } = request;
      const deed = { by: authorOf(request), at: clock.now() };
      const wish = { until: muteEnd(body, deed.at), reason: body.reason ?? null };
      const muted = await muteService(context, idOf(params.service_id, 'Service'), wish, deed);
      return ok(await showOne(muted), 'Service muted');
    },
  );

  app.post(
    '/v2/services/:service_id/unmute',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'End a mute',
        params: Params,
        body: Type.Object({}, { additionalProperties: false }),
        response: answers(200, ServiceV2),
      },
    },
    async (request) => {
      const deed = { by: authorOf(request), at: clock.now() };
      const id = idOf(request.params.service_id, 'Service');
      return ok(await showOne(await unmuteService(context, id, deed)), 'Service unmuted');
    },
  );
}

function filterOf({
  heartbeat_name,
  service_name,
  team_id,
  ...same
}: Static<typeof ListQuery>): store.Filter {
  return {
    ...same,
    nameKey: heartbeat_name === undefined ? undefined : nameKey(heartbeat_name),
    serviceName: service_name,
    teamId: team_id,
  };
}
