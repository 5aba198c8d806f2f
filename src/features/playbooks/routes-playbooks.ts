import { Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { MedicError } from '../../platform/errors.ts';
import { AnyCase } from '../../platform/schema.ts';
import { unknown } from '../audit/configuration.ts';
import type { ManageContext } from './context.ts';
import { changePlaybook, createPlaybook, judge, removePlaybook, type Saved } from './manage.ts';
import { Judgement, Playbook, SavedPlaybook, shownPlaybook, Version } from './resource.ts';
import * as store from './store.ts';

const tags = ['playbooks'];
const strict = { additionalProperties: false };

/** Any text: what is wrong with it is told with line and column. */
const Yaml = Type.String({ description: 'YAML 1.2, at most 256 KiB; see /schemas/playbook.json' });
const Create = Type.Object({ yaml_content: Yaml, active: Type.Optional(Type.Boolean()) }, strict);
const Patch = Type.Object(
  { yaml_content: Type.Optional(Yaml), active: Type.Optional(Type.Boolean()) },
  strict,
);
const Params = Type.Object({ playbook_id: Type.String() });
const VersionParams = Type.Object({ playbook_id: Type.String(), version: Type.String() });
const ListQuery = Type.Object(
  {
    ...PageQuery,
    active: Type.Optional(Type.Boolean()),
    trigger_type: Type.Optional(AnyCase(store.TRIGGER_TYPES)),
  },
  strict,
);

/** `/v2/playbooks` (spec 06 sections 1 and 2): definitions; nothing here runs one. */
export function playbookRoutes(app: Router, context: ManageContext): void {
  const { db } = context;
  const playbook = (params: { playbook_id: string }) => idOf(params.playbook_id, 'Playbook');
  const saved = ({ row, warnings }: Saved) => ({ ...shownPlaybook(row), warnings });
  const find = async (id: number) => {
    const row = await store.find(db, id);
    if (row === undefined) throw unknown('playbook', id);
    return row;
  };

  app.get(
    '/v2/playbooks',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List playbooks, newest first',
        querystring: ListQuery,
        response: answers(200, ListOf(Playbook)),
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const filter = { active: query.active, trigger_type: query.trigger_type };
      const [rows, total] = await Promise.all([store.list(db, filter, page), store.count(db, filter)]);
      return ok(listOf(rows.map(shownPlaybook), total, page));
    },
  );

  app.post(
    '/v2/playbooks',
    {
      config: needs('admin'),
      schema: { tags, summary: 'Store a playbook', body: Create, response: answers(201, SavedPlaybook) },
    },
    async (request, reply) => {
      const results = saved(await createPlaybook(context, request.body, actorOf(request)));
      reply.code(201);
      return ok(results, 'Playbook created');
    },
  );

  app.post(
    '/v2/playbooks/validate',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'Everything that is wrong with the text of a playbook; stores nothing',
        body: Type.Object({ yaml_content: Yaml }, strict),
        response: answers(200, Judgement),
      },
    },
    async ({ body }) => {
      const { playbook, errors, warnings } = await judge(db, body.yaml_content);
      return ok({ valid: errors.length === 0, errors, warnings, playbook });
    },
  );

  app.get(
    '/v2/playbooks/:playbook_id',
    {
      config: needs('read'),
      schema: { tags, summary: 'One playbook', params: Params, response: answers(200, Playbook) },
    },
    async ({ params }) => ok(shownPlaybook(await find(playbook(params)))),
  );

  app.patch(
    '/v2/playbooks/:playbook_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Change a playbook; another text makes another version',
        params: Params,
        body: Patch,
        response: answers(200, SavedPlaybook),
      },
    },
    async (request) => {
      const { params, body } = request;
      return ok(saved(await changePlaybook(context, playbook(params), body, actorOf(request))));
    },
  );

  app.delete(
    '/v2/playbooks/:playbook_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Remove a playbook with its versions and triggers',
        params: Params,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await removePlaybook(context, playbook(request.params), actorOf(request));
      return ok('' as const, 'Playbook deleted');
    },
  );

  app.get(
    '/v2/playbooks/:playbook_id/versions',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List the versions of a playbook, newest first',
        params: Params,
        querystring: Type.Object(PageQuery, strict),
        response: answers(200, ListOf(Version)),
      },
    },
    async ({ params, query }) => {
      const page = pageOf(query);
      const { playbook_id } = await find(playbook(params));
      const [rows, total] = await Promise.all([
        store.versions(db, playbook_id, page),
        store.countVersions(db, playbook_id),
      ]);
      return ok(listOf(rows.map(shownVersion), total, page));
    },
  );

  app.get(
    '/v2/playbooks/:playbook_id/versions/:version',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'One version of a playbook',
        params: VersionParams,
        response: answers(200, Version),
      },
    },
    async ({ params }) => {
      const { playbook_id } = await find(playbook(params));
      const version = idOf(params.version, 'Version');
      const row = await store.findVersion(db, playbook_id, version);
      if (row === undefined) throw new MedicError('not_found', `Version ${version} not found`);
      return ok(shownVersion(row));
    },
  );
}

function shownVersion(row: store.VersionRow) {
  return { ...row, created_at: row.created_at.toISOString() };
}
