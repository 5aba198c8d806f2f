import { type Static, Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { AnyCase, Instant, MAX_ID, Nullable } from '../../platform/schema.ts';
import { type KeySettings, keyExpiry, keyName, keyScopes } from './key-settings.ts';
import { type AccessContext, changeKey, createKey, revokeKey, rotateKey, unknownKey } from './manage.ts';
import { RATE_CLASSES } from './rate-class.ts';
import { SCOPES } from './scope.ts';
import type { KeyRow } from './store.ts';
import * as store from './store-manage.ts';
import { expiryOf } from './verify.ts';

const tags = ['api-keys'];
const Params = Type.Object({ api_key_id: Type.String() });

const requests = Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_ID }));
const RateLimits = Type.Object(
  Object.fromEntries(RATE_CLASSES.map((rateClass) => [rateClass, requests])) as Record<
    (typeof RATE_CLASSES)[number],
    typeof requests
  >,
  { additionalProperties: false, description: 'Requests per window instead of the default of a class' },
);

/** A key without its secret (spec 10 section 5). */
const ApiKey = Type.Object({
  api_key_id: Type.Integer(),
  name: Type.String(),
  key_prefix: Type.String({ description: 'The first 8 characters after mdk_' }),
  scopes: Type.Array(Type.String({ enum: [...SCOPES] })),
  expires_at: Nullable(Instant),
  rate_limits: RateLimits,
  last_used_at: Nullable(Instant),
  created_at: Instant,
  updated_at: Instant,
});
const ShownApiKey = Type.Object({
  ...ApiKey.properties,
  key: Type.String({ description: 'Shown only now' }),
});

const fields = {
  name: Type.String(),
  scopes: Type.Array(AnyCase(SCOPES), { minItems: 1 }),
  expires_at: Nullable(Type.String()),
  rate_limits: Nullable(RateLimits),
};
const Create = Type.Object(
  {
    name: fields.name,
    scopes: Type.Optional(fields.scopes),
    expires_at: Type.Optional(fields.expires_at),
    rate_limits: Type.Optional(fields.rate_limits),
  },
  { additionalProperties: false },
);
const Patch = Type.Partial(Type.Object(fields), { additionalProperties: false });

/** `/v2/api-keys`. */
export function apiKeyRoutes(app: Router, context: AccessContext): void {
  const { db, clock } = context;

  app.get(
    '/v2/api-keys',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'List API keys, newest first',
        querystring: Type.Object(PageQuery, { additionalProperties: false }),
        response: answers(200, ListOf(ApiKey)),
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const [rows, total] = await Promise.all([store.list(db, page), store.count(db)]);
      return ok(listOf(rows.map(shown), total, page));
    },
  );

  app.post(
    '/v2/api-keys',
    {
      config: needs('admin'),
      schema: { tags, summary: 'Create an API key', body: Create, response: answers(201, ShownApiKey) },
    },
    async (request, reply) => {
      const { body } = request;
      const settings = { ...DEFAULTS, ...settingsIn(body, clock.now()), name: keyName(body.name) };
      const { row, key } = await createKey(context, settings, actorOf(request));
      reply.code(201);
      return ok({ ...shown(row), key }, 'API key created: it is shown only now');
    },
  );

  app.get(
    '/v2/api-keys/:api_key_id',
    {
      config: needs('admin'),
      schema: { tags, summary: 'One API key', params: Params, response: answers(200, ApiKey) },
    },
    async ({ params }) => ok(await find(idOf(params.api_key_id, 'API key'))),
  );

  app.patch(
    '/v2/api-keys/:api_key_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Change an API key',
        params: Params,
        body: Patch,
        response: answers(200, ApiKey),
      },
    },
    async (request) => {
      const { params, body } = request;
      const id = idOf(params.api_key_id, 'API key');
      if (Object.keys(body).length === 0) return ok(await find(id));
      return ok(shown(await changeKey(context, id, settingsIn(body, clock.now()), actorOf(request))));
    },
  );

  app.delete(
    '/v2/api-keys/:api_key_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Revoke an API key and end its sessions',
        params: Params,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await revokeKey(context, idOf(request.params.api_key_id, 'API key'), actorOf(request));
      return ok('' as const, 'API key revoked');
    },
  );

  app.post(
    '/v2/api-keys/:api_key_id/rotate',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Replace the secret of an API key; the old one and its sessions end at once',
        params: Params,
        body: Type.Object({}, { additionalProperties: false }),
        response: answers(200, ShownApiKey),
      },
    },
    async (request) => {
      const id = idOf(request.params.api_key_id, 'API key');
      const { row, key } = await rotateKey(context, id, actorOf(request));
      return ok({ ...shown(row), key }, 'API key rotated: the new one is shown only now');
    },
  );

  async function find(id: number) {
    const row = await store.findById(db, id);
    if (row === undefined) throw unknownKey(id);
    return shown(row);
  }
}

const DEFAULTS: Omit<KeySettings, 'name'> = { scopes: ['read'], expires_at: null, rate_limits: {} };

/** The given members as they are stored. Throws `bad_request`. */
function settingsIn(body: Static<typeof Patch>, now: Date): Partial<KeySettings> {
  const { name, scopes, expires_at, rate_limits } = body;
  return {
    ...(name === undefined ? {} : { name: keyName(name) }),
    ...(scopes === undefined ? {} : { scopes: keyScopes(scopes) }),
    ...(expires_at === undefined ? {} : { expires_at: keyExpiry(expires_at, now) }),
    ...(rate_limits === undefined ? {} : { rate_limits: rate_limits ?? {} }),
  };
}

function shown(row: KeyRow): Static<typeof ApiKey> {
  return {
    api_key_id: row.api_key_id,
    name: row.name,
    key_prefix: row.key_prefix,
    scopes: row.scopes,
    expires_at: expiryOf(row.expires_at)?.toISOString() ?? null,
    rate_limits: row.rate_limits,
    last_used_at: row.last_used_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
