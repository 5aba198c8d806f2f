import { Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { Name, Nullable, Text } from '../../platform/schema.ts';
import { type ManageContext, unknown } from './context.ts';
import * as store from './store-teams.ts';
import { changeTeam, createTeam, removeTeam } from './teams.ts';

const tags = ['teams'];
const strict = { additionalProperties: false };
const Params = Type.Object({ team_id: Type.String() });

const FIELDS = {
  /** As long as the team of a service, which may name it. */
  name: Name(100),
  slack_channel_id: Type.Optional(Nullable(Text(100, 0))),
};
const Create = Type.Object(FIELDS, strict);
const Patch = Type.Object({ ...FIELDS, name: Type.Optional(FIELDS.name) }, strict);
const Team = Type.Object({
  team_id: Type.Integer(),
  name: Type.String(),
  slack_channel_id: Nullable(Type.String()),
});

/** `/v2/teams`. */
export function teamRoutes(app: Router, context: ManageContext): void {
  const { db } = context;
  const id = (params: { team_id: string }) => idOf(params.team_id, 'Team');

  app.get(
    '/v2/teams',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List teams by name',
        querystring: Type.Object(PageQuery, strict),
        response: answers(200, ListOf(Team)),
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const [teams, total] = await Promise.all([store.list(db, page), store.count(db)]);
      return ok(listOf(teams, total, page));
    },
  );

  app.post(
    '/v2/teams',
    {
      config: needs('admin'),
      schema: { tags, summary: 'Create a team', body: Create, response: answers(201, Team) },
    },
    async (request, reply) => {
      const team = await createTeam(context, request.body, actorOf(request));
      reply.code(201);
      return ok(team, 'Team created');
    },
  );

  app.get(
    '/v2/teams/:team_id',
    {
      config: needs('read'),
      schema: { tags, summary: 'One team', params: Params, response: answers(200, Team) },
    },
    async ({ params }) => {
      const team = await store.find(db, id(params));
      if (team === undefined) throw unknown('team', id(params));
      return ok(team);
    },
  );

  app.patch(
    '/v2/teams/:team_id',
    {
      config: needs('admin'),
      schema: { tags, summary: 'Change a team', params: Params, body: Patch, response: answers(200, Team) },
    },
    async (request) => ok(await changeTeam(context, id(request.params), request.body, actorOf(request))),
  );

  app.delete(
    '/v2/teams/:team_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Remove a team; its services lose their team_id',
        params: Params,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await removeTeam(context, id(request.params), actorOf(request));
      return ok('' as const, 'Team deleted');
    },
  );
}
