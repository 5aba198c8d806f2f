import { Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { AnyCase, Nullable } from '../../platform/schema.ts';
import { PERIODS } from './destination.ts';
import type { TargetRow } from './store-targets.ts';
import * as store from './store-targets.ts';
import {
  changeTarget,
  createTarget,
  findTarget,
  removeTarget,
  type TargetContext,
  unknownService,
} from './targets.ts';
import { type TestContext, testTarget } from './test-message.ts';

const tags = ['targets'];
const strict = { additionalProperties: false };
const Params = Type.Object({ service_id: Type.String() });
const TargetParams = Type.Object({ service_id: Type.String(), target_id: Type.String() });

/** Which members there are depends on the type: the channel says so, and is asked when it is stored. */
const Config = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  description:
    'slack: channel_id; pagerduty: service_key; webhook: url, headers, secret; email: to; chat: kind, url. ' +
    'Credentials are answered as "***", which keeps the stored value when it is sent back',
  additionalProperties: true,
});
const Priority = Type.Integer({ minimum: -1_000_000, maximum: 1_000_000, description: 'Lower first' });

const Target = Type.Object({
  target_id: Type.Integer(),
  service_id: Type.Integer(),
  type: Type.String(),
  config: Config,
  priority: Type.Integer(),
  enabled: Type.Boolean(),
  period: Type.String({ enum: [...PERIODS] }),
});
const TestResult = Type.Object({
  target_id: Type.Integer(),
  target_type: Type.String(),
  success: Type.Boolean(),
  error_message: Nullable(Type.String()),
});

function shown({ destination: _destination, address: _address, ...row }: TargetRow) {
  return { ...row, config: { ...row.config } };
}

/** `/v2/services/{service_id}/targets`. */
export function targetRoutes(app: Router, context: TargetContext & TestContext): void {
  const { db, channels } = context;
  const service = (params: { service_id: string }) => idOf(params.service_id, 'Service');
  const target = (params: { target_id: string }) => idOf(params.target_id, 'Target');
  const type = AnyCase([...channels.keys()]);
  const optional = {
    priority: Type.Optional(Priority),
    enabled: Type.Optional(Type.Boolean()),
    period: Type.Optional(AnyCase(PERIODS)),
  };
  const Create = Type.Object({ type, config: Config, ...optional }, strict);
  const Patch = Type.Object(
    { type: Type.Optional(type), config: Type.Optional(Config), ...optional },
    strict,
  );

  app.get(
    '/v2/services/:service_id/targets',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List the targets of a service in the order in which they are told: by priority, then id',
        params: Params,
        querystring: Type.Object(PageQuery, strict),
        response: answers(200, ListOf(Target)),
      },
    },
    async ({ params, query }) => {
      const page = pageOf(query);
      const id = service(params);
      if (!(await store.isService(db, id))) throw unknownService(id);
      const [rows, total] = await Promise.all([store.list(db, id, page), store.count(db, id)]);
      return ok(listOf(rows.map(shown), total, page));
    },
  );

  app.post(
    '/v2/services/:service_id/targets',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Add a target to a service',
        params: Params,
        body: Create,
        response: answers(201, Target),
      },
    },
    async (request, reply) => {
      const row = await createTarget(context, service(request.params), request.body, actorOf(request));
      reply.code(201);
      return ok(shown(row), 'Target created');
    },
  );

  app.get(
    '/v2/services/:service_id/targets/:target_id',
    {
      config: needs('read'),
      schema: { tags, summary: 'One target', params: TargetParams, response: answers(200, Target) },
    },
    async ({ params }) => ok(shown(await findTarget(context, service(params), target(params)))),
  );

  app.patch(
    '/v2/services/:service_id/targets/:target_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Change a target; its config as a whole',
        params: TargetParams,
        body: Patch,
        response: answers(200, Target),
      },
    },
    async (request) => {
      const { params, body } = request;
      return ok(shown(await changeTarget(context, service(params), target(params), body, actorOf(request))));
    },
  );

  app.delete(
    '/v2/services/:service_id/targets/:target_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Remove a target; it still hears of the end of an alert that it was told of',
        params: TargetParams,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await removeTarget(context, service(request.params), target(request.params), actorOf(request));
      return ok('' as const, 'Target deleted');
    },
  );

  app.post(
    '/v2/services/:service_id/targets/:target_id/test',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Send one test message at once, in one attempt',
        params: TargetParams,
        body: Type.Object({}, strict),
        response: answers(200, TestResult),
      },
    },
    async ({ params }) => ok(await testTarget(context, service(params), target(params))),
  );
}
