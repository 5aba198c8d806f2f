import { Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { AnyCase, Instant, Name, Text } from '../../platform/schema.ts';
import { unknown } from '../audit/configuration.ts';
import type { ManageContext } from './context.ts';
import { MAX_NAME, SCRIPT_TIMEOUT_SECONDS } from './limits.ts';
import { TextProblem } from './resource.ts';
import { changeScript, createScript, removeScript, type SavedScript } from './scripts.ts';
import * as store from './store-scripts.ts';

const tags = ['scripts'];
const config = needs('admin');
const strict = { additionalProperties: false };
const Params = Type.Object({ script_id: Type.String() });
const { min: minimum, max: maximum } = SCRIPT_TIMEOUT_SECONDS;
const MAX_CONTENT = 262_144;

const name = Name(MAX_NAME);
const content = Text(MAX_CONTENT);
const interpreter = AnyCase(store.INTERPRETERS);
const timeout_seconds = Type.Integer({ minimum, maximum, description: 'Default 30' });
const Create = Type.Object(
  { name, content, interpreter, timeout_seconds: Type.Optional(timeout_seconds) },
  strict,
);
const Patch = Type.Object(
  {
    name: Type.Optional(name),
    content: Type.Optional(content),
    interpreter: Type.Optional(interpreter),
    timeout_seconds: Type.Optional(timeout_seconds),
  },
  strict,
);
const Script = Type.Object({
  script_id: Type.Integer(),
  name: Type.String(),
  content: Type.String(),
  interpreter: Type.String({ enum: [...store.INTERPRETERS] }),
  timeout_seconds: Type.Integer(),
  created_at: Instant,
  updated_at: Instant,
});
const SavedAnswer = Type.Object({ ...Script.properties, warnings: Type.Array(TextProblem) });

/** `/v2/scripts` (spec 06 section 7): what playbooks may run; nothing here runs one. */
export function scriptRoutes(app: Router, context: ManageContext): void {
  const { db } = context;
  const script = (params: { script_id: string }) => idOf(params.script_id, 'Script');

  app.get(
    '/v2/scripts',
    {
      config,
      schema: {
        tags,
        summary: 'List registered scripts, newest first',
        querystring: Type.Object(PageQuery, strict),
        response: answers(200, ListOf(Script)),
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const [rows, total] = await Promise.all([store.list(db, page), store.count(db)]);
      return ok(listOf(rows.map(shown), total, page));
    },
  );

  app.post(
    '/v2/scripts',
    {
      config,
      schema: { tags, summary: 'Register a script', body: Create, response: answers(201, SavedAnswer) },
    },
    async (request, reply) => {
      const results = saved(await createScript(context, request.body, actorOf(request)));
      reply.code(201);
      return ok(results, 'Script created');
    },
  );

  app.get(
    '/v2/scripts/:script_id',
    { config, schema: { tags, summary: 'One script', params: Params, response: answers(200, Script) } },
    async ({ params }) => {
      const row = await store.find(db, script(params));
      if (row === undefined) throw unknown('script', script(params));
      return ok(shown(row));
    },
  );

  app.patch(
    '/v2/scripts/:script_id',
    {
      config,
      schema: {
        tags,
        summary: 'Change a script; not the name of one that an active playbook runs',
        params: Params,
        body: Patch,
        response: answers(200, SavedAnswer),
      },
    },
    async (request) => {
      const { params, body } = request;
      return ok(saved(await changeScript(context, script(params), body, actorOf(request))));
    },
  );

  app.delete(
    '/v2/scripts/:script_id',
    {
      config,
      schema: {
        tags,
        summary: 'Remove a script; not one that an active playbook runs',
        params: Params,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await removeScript(context, script(request.params), actorOf(request));
      return ok('' as const, 'Script deleted');
    },
  );
}

function shown(row: store.ScriptRow) {
  return { ...row, created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString() };
}

function saved({ row, warnings }: SavedScript) {
  return { ...shown(row), warnings };
}
