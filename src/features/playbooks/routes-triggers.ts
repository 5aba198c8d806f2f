import { Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { Text } from '../../platform/schema.ts';
import { unknown } from '../audit/configuration.ts';
import type { ManageContext } from './context.ts';
import { MAX_INTEGER, MAX_PATTERN } from './limits.ts';
import { find as findPlaybook } from './store.ts';
import * as store from './store-triggers.ts';
import { changeTrigger, createTrigger, removeTrigger } from './triggers.ts';

const tags = ['playbooks'];
const strict = { additionalProperties: false };
const Params = Type.Object({ playbook_id: Type.String() });
const TriggerParams = Type.Object({ playbook_id: Type.String(), trigger_id: Type.String() });

const Pattern = Type.Unsafe<string>({
  ...Text(MAX_PATTERN),
  description: 'A glob over the whole service_name, in any letter case: *, ?, [seq], [!seq]',
});
const optional = {
  consecutive_failures: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_INTEGER })),
  enabled: Type.Optional(Type.Boolean()),
};
const Create = Type.Object({ service_pattern: Pattern, ...optional }, strict);
const Patch = Type.Object({ service_pattern: Type.Optional(Pattern), ...optional }, strict);
const Trigger = Type.Object({
  trigger_id: Type.Integer(),
  playbook_id: Type.Integer(),
  service_pattern: Type.String(),
  consecutive_failures: Type.Integer(),
  enabled: Type.Boolean(),
  managed_by: Type.String({ enum: [...store.MANAGERS] }),
});

/** `/v2/playbooks/{playbook_id}/triggers` (spec 06 section 2): definitions; nothing here judges one. */
export function triggerRoutes(app: Router, context: ManageContext): void {
  const { db } = context;
  const playbook = (params: { playbook_id: string }) => idOf(params.playbook_id, 'Playbook');
  const both = (params: { playbook_id: string; trigger_id: string }) => ({
    playbookId: playbook(params),
    triggerId: idOf(params.trigger_id, 'Trigger'),
  });

  app.get(
    '/v2/playbooks/:playbook_id/triggers',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List the triggers of a playbook, newest first',
        params: Params,
        querystring: Type.Object(PageQuery, strict),
        response: answers(200, ListOf(Trigger)),
      },
    },
    async ({ params, query }) => {
      const page = pageOf(query);
      const id = playbook(params);
      if ((await findPlaybook(db, id)) === undefined) throw unknown('playbook', id);
      const [rows, total] = await Promise.all([store.list(db, id, page), store.count(db, id)]);
      return ok(listOf(rows, total, page));
    },
  );

  app.post(
    '/v2/playbooks/:playbook_id/triggers',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Add a trigger to a playbook',
        params: Params,
        body: Create,
        response: answers(201, Trigger),
      },
    },
    async (request, reply) => {
      const row = await createTrigger(context, playbook(request.params), request.body, actorOf(request));
      reply.code(201);
      return ok(row, 'Trigger created');
    },
  );

  app.get(
    '/v2/playbooks/:playbook_id/triggers/:trigger_id',
    {
      config: needs('read'),
      schema: { tags, summary: 'One trigger', params: TriggerParams, response: answers(200, Trigger) },
    },
    async ({ params }) => {
      const { playbookId, triggerId } = both(params);
      const row = await store.find(db, playbookId, triggerId);
      if (row === undefined) throw unknown('trigger', triggerId);
      return ok(row);
    },
  );

  app.patch(
    '/v2/playbooks/:playbook_id/triggers/:trigger_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Change a trigger; not one that the YAML of its playbook defines',
        params: TriggerParams,
        body: Patch,
        response: answers(200, Trigger),
      },
    },
    async (request) => ok(await changeTrigger(context, both(request.params), request.body, actorOf(request))),
  );

  app.delete(
    '/v2/playbooks/:playbook_id/triggers/:trigger_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Remove a trigger; not one that the YAML of its playbook defines',
        params: TriggerParams,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await removeTrigger(context, both(request.params), actorOf(request));
      return ok('' as const, 'Trigger deleted');
    },
  );
}
