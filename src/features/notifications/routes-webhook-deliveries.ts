import { Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { answers, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { AnyCase, Nullable } from '../../platform/schema.ts';
import type { Address } from './channels/channel.ts';
import { DELIVERY_STATUSES, Delivery, deliveryOf } from './resource.ts';
import type { SendContext } from './send.ts';
import * as store from './store-deliveries.ts';
import { testWebhook } from './test-webhook.ts';

const tags = ['webhooks'];
const Params = Type.Object({ webhook_id: Type.String() });
const ListQuery = Type.Object(
  { ...PageQuery, status: Type.Optional(AnyCase(DELIVERY_STATUSES)) },
  { additionalProperties: false },
);
const TestResult = Type.Object({
  success: Type.Boolean(),
  response_code: Nullable(Type.Integer()),
  error_message: Nullable(Type.String()),
});

/**
 * What became of a webhook's messages.
 * @param find the webhook with its address as it is stored; rejects with `not_found` when there is none
 */
export function webhookDeliveryRoutes(
  app: Router,
  context: SendContext & { db: DatabasePool; clock: Clock },
  find: (webhookId: number) => Promise<{ destination: string; address: Address }>,
): void {
  const { db } = context;

  app.get(
    '/v2/webhooks/:webhook_id/deliveries',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'What became of the messages to a webhook, newest first',
        params: Params,
        querystring: ListQuery,
        response: answers(200, ListOf(Delivery)),
      },
    },
    async ({ params, query }) => {
      const id = idOf(params.webhook_id, 'Webhook');
      const page = pageOf(query);
      await find(id);
      const [rows, total] = await Promise.all([
        store.ofWebhook(db, id, query.status, page),
        store.countOfWebhook(db, id, query.status),
      ]);
      return ok(listOf(rows.map(deliveryOf), total, page));
    },
  );

  app.post(
    '/v2/webhooks/:webhook_id/test',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Send the event "test" once',
        params: Params,
        response: answers(200, TestResult),
      },
    },
    async ({ params }) => ok(await testWebhook(context, await find(idOf(params.webhook_id, 'Webhook')))),
  );
}
