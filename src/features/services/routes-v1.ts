import { Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { authorOf } from '../../http/actor.ts';
import { answers, Envelope, failures, ok } from '../../http/envelope.ts';
import type { Router } from '../../http/server.ts';
import { MedicError } from '../../platform/errors.ts';
import { SearchText } from '../../platform/schema.ts';
import { isName, nameKey } from '../heartbeats/name.ts';
import { RegisterV1, UpdateV1 } from './fields.ts';
import { change, type ManageContext, register } from './manage.ts';
import { ServiceV1, serviceV1 } from './resource.ts';
import * as store from './store.ts';

const tags = ['v1'];
const Params = Type.Object({ heartbeat_name: Type.String() });
const ListQuery = Type.Object(
  { service_name: Type.Optional(SearchText), active: Type.Optional(Type.Integer()) },
  { additionalProperties: false },
);

/** `/service`, and `/v1/service`, its identical alias (spec 01 section 2). */
export function serviceRoutesV1(app: Router, context: ManageContext, prefix: '' | '/v1'): void {
  const { db, clock } = context;
  const find = async (name: string) =>
    isName(name) ? store.findByNameKey(db, nameKey(name), clock.now()) : undefined;

  app.post(
    `${prefix}/service`,
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Register a service',
        body: RegisterV1,
        response: {
          200: Envelope(ServiceV1),
          201: Envelope(ServiceV1),
          ...failures,
        },
      },
    },
    async (request, reply) => {
      const { created, service } = await register(context, request.body, authorOf(request));
      reply.code(created ? 201 : 200);
      const name = service.heartbeat_name;
      return ok(
        serviceV1(service, clock.now()),
        created ? `${name} is registered` : `${name} is already registered`,
      );
    },
  );

  app.get(
    `${prefix}/service`,
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List services',
        querystring: ListQuery,
        response: answers(200, Type.Array(ServiceV1)),
      },
    },
    async ({ query }) => {
      const filter = {
        serviceName: query.service_name,
        active: query.active === undefined ? undefined : query.active !== 0,
      };
      const selection = { filter, sort: 'service_id', dir: 'asc', limit: null, offset: 0 } as const;
      return ok((await store.list(db, selection, clock.now())).map((row) => serviceV1(row, clock.now())));
    },
  );

  app.get(
    `${prefix}/service/:heartbeat_name`,
    {
      config: needs('read'),
      schema: { tags, summary: 'One service', params: Params, response: answers(200, Type.Array(ServiceV1)) },
    },
    async ({ params }) => {
      const service = await find(params.heartbeat_name);
      return ok(service === undefined ? [] : [serviceV1(service, clock.now())]);
    },
  );

  app.post(
    `${prefix}/service/:heartbeat_name`,
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Change a service',
        params: Params,
        body: UpdateV1,
        response: answers(200, ServiceV1),
      },
    },
    async (request) => {
      const { params, body } = request;
      const { muted, active, down: _derived, ...input } = body;
      const service = await find(params.heartbeat_name);
      if (service === undefined) {
        throw new MedicError('not_found', `${params.heartbeat_name.slice(0, 255)} is not registered`);
      }
      const wish = {
        ...input,
        ...(muted === undefined ? {} : { muted: muted === 1 }),
        ...(active === undefined ? {} : { active: active === 1 }),
      };
      const changed = await change(context, service.service_id, wish, authorOf(request));
      return ok(serviceV1(changed, clock.now()), `${changed.heartbeat_name} is updated`);
    },
  );
}
