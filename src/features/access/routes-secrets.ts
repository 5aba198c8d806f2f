import { type Static, Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import type { Router } from '../../http/server.ts';
import { MedicError } from '../../platform/errors.ts';
import { Instant, Nullable, Text } from '../../platform/schema.ts';
import {
  changeSecret,
  createSecret,
  findSecret,
  listSecrets,
  MAX_SECRET_NAME,
  removeSecret,
  SECRET_NAME,
  type SecretsContext,
} from './secrets.ts';

const tags = ['secrets'];
const config = needs('admin');
const strict = { additionalProperties: false };

const Secret = Type.Object({
  name: Type.String(),
  description: Nullable(Type.String()),
  created_at: Instant,
  updated_at: Instant,
});
const Name = Type.String({ minLength: 1, maxLength: MAX_SECRET_NAME, pattern: SECRET_NAME });
/** Its length in bytes is checked when it is sealed. */
const Value = Type.Unsafe<string>({ ...Text(65_536), description: '4 to 65536 bytes; never returned' });
const Description = Nullable(Text(500, 0));
const Create = Type.Object({ name: Name, value: Value, description: Type.Optional(Description) }, strict);
const Patch = Type.Object({ value: Type.Optional(Value), description: Type.Optional(Description) }, strict);
const Params = Type.Object({ name: Type.String() });

/** `/v2/secrets` (spec 05 section 9): names and descriptions; no answer holds a value. */
export function secretRoutes(app: Router, context: SecretsContext): void {
  const { db } = context;

  app.get(
    '/v2/secrets',
    {
      config,
      schema: {
        tags,
        summary: 'List secrets by name, without their values',
        querystring: Type.Object(PageQuery, strict),
        response: answers(200, ListOf(Secret)),
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const { rows, total } = await listSecrets(db, page);
      return ok(listOf(rows.map(shown), total, page));
    },
  );

  app.post(
    '/v2/secrets',
    {
      config,
      schema: { tags, summary: 'Store a secret', body: Create, response: answers(201, Secret) },
    },
    async (request, reply) => {
      const row = await createSecret(context, request.body, actorOf(request));
      reply.code(201);
      return ok(shown(row), 'Secret created');
    },
  );

  app.get(
    '/v2/secrets/:name',
    {
      config,
      schema: {
        tags,
        summary: 'One secret, without its value',
        params: Params,
        response: answers(200, Secret),
      },
    },
    async ({ params }) => ok(shown(await findSecret(db, nameOf(params)))),
  );

  app.patch(
    '/v2/secrets/:name',
    {
      config,
      schema: {
        tags,
        summary: 'Change the value or the description of a secret',
        params: Params,
        body: Patch,
        response: answers(200, Secret),
      },
    },
    async (request) => {
      const { params, body } = request;
      return ok(shown(await changeSecret(context, nameOf(params), body, actorOf(request))));
    },
  );

  app.delete(
    '/v2/secrets/:name',
    {
      config,
      schema: {
        tags,
        summary: 'Remove a secret',
        params: Params,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await removeSecret(context, nameOf(request.params), actorOf(request));
      return ok('' as const, 'Secret deleted');
    },
  );
}

/** A name that no secret can have is not looked for, and not repeated. */
function nameOf({ name }: Static<typeof Params>): string {
  if (name.length <= MAX_SECRET_NAME && new RegExp(SECRET_NAME).test(name)) return name;
  throw new MedicError('not_found', 'Secret not found');
}

function shown(row: Awaited<ReturnType<typeof findSecret>>): Static<typeof Secret> {
  return {
    name: row.name,
    description: row.description,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
