import { Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { MAX_ID, Nullable } from '../../platform/schema.ts';
import type { WebhookRow } from './store-webhooks.ts';
import * as store from './store-webhooks.ts';
import type { TargetContext } from './targets.ts';
import { changeWebhook, createWebhook, findWebhook, removeWebhook } from './webhooks.ts';

const tags = ['webhooks'];
const strict = { additionalProperties: false };
const Params = Type.Object({ webhook_id: Type.String() });

const ServiceId = Type.Integer({ minimum: 0, maximum: MAX_ID });
const Headers = Type.Unsafe<Record<string, string>>({
  type: 'object',
  description:
    'Values may refer to secrets; they are answered as "***", which sent back keeps the stored value',
  additionalProperties: Type.String(),
});
/** The rules of a webhook are its channel's, which is asked when it is stored. */
const FIELDS = {
  url: Type.String(),
  headers: Type.Optional(Nullable(Headers)),
  secret: Type.Optional(Nullable(Type.String())),
  service_id: Type.Optional(Nullable(ServiceId)),
  enabled: Type.Optional(Type.Boolean()),
};
const Create = Type.Object(FIELDS, strict);
const Patch = Type.Object({ ...FIELDS, url: Type.Optional(FIELDS.url) }, strict);
const Webhook = Type.Object({
  webhook_id: Type.Integer(),
  service_id: Nullable(Type.Integer()),
  url: Type.String(),
  headers: Headers,
  secret: Nullable(Type.String()),
  enabled: Type.Boolean(),
});
const ListQuery = Type.Object({ ...PageQuery, service_id: Type.Optional(ServiceId) }, strict);

function shown({ webhook_id, service_id, config, enabled }: WebhookRow) {
  return {
    webhook_id,
    service_id,
    url: String(config.url),
    headers: (config.headers ?? {}) as Record<string, string>,
    secret: (config.secret ?? null) as string | null,
    enabled,
  };
}

/** `/v2/webhooks`. */
export function webhookRoutes(app: Router, context: TargetContext): void {
  const { db } = context;
  const id = (params: { webhook_id: string }) => idOf(params.webhook_id, 'Webhook');

  app.get(
    '/v2/webhooks',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List webhooks, newest first',
        querystring: ListQuery,
        response: answers(200, ListOf(Webhook)),
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const [rows, total] = await Promise.all([
        store.list(db, query.service_id, page),
        store.count(db, query.service_id),
      ]);
      return ok(listOf(rows.map(shown), total, page));
    },
  );

  app.post(
    '/v2/webhooks',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Have every alert sent to a URL: of one service, or of all',
        body: Create,
        response: answers(201, Webhook),
      },
    },
    async (request, reply) => {
      const row = await createWebhook(context, request.body, actorOf(request));
      reply.code(201);
      return ok(shown(row), 'Webhook created');
    },
  );

  app.get(
    '/v2/webhooks/:webhook_id',
    {
      config: needs('read'),
      schema: { tags, summary: 'One webhook', params: Params, response: answers(200, Webhook) },
    },
    async ({ params }) => ok(shown(await findWebhook(context, id(params)))),
  );

  app.patch(
    '/v2/webhooks/:webhook_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Change a webhook; headers as a whole',
        params: Params,
        body: Patch,
        response: answers(200, Webhook),
      },
    },
    async (request) =>
      ok(shown(await changeWebhook(context, id(request.params), request.body, actorOf(request)))),
  );

  app.delete(
    '/v2/webhooks/:webhook_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Remove a webhook',
        params: Params,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await removeWebhook(context, id(request.params), actorOf(request));
      return ok('' as const, 'Webhook deleted');
    },
  );
}
