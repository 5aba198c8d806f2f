import { Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { Name, Text } from '../../platform/schema.ts';
import { type ManageContext, unknown } from './context.ts';
import { DAYS, type Range } from './hours.ts';
import { changeSchedule, createSchedule, removeSchedule } from './schedules.ts';
import * as store from './store-schedules.ts';

const tags = ['schedules'];
const strict = { additionalProperties: false };
const Params = Type.Object({ schedule_id: Type.String() });

/** Ranges of a day: one for each quarter of an hour. */
const MOST_RANGES = 96;
const HoursField = Type.Unsafe<Record<string, Range[]>>({
  type: 'object',
  description: `Day names (${DAYS.join(', ')}, any case) to ranges; a range that ends before it starts crosses midnight`,
  additionalProperties: Type.Array(Type.Object({ start: Text(5), end: Text(5) }, strict), {
    maxItems: MOST_RANGES,
  }),
});
const FIELDS = { name: Name(255), timezone: Type.Optional(Text(64)), hours: HoursField };
const Create = Type.Object(FIELDS, strict);
const Patch = Type.Object(
  { ...FIELDS, name: Type.Optional(FIELDS.name), hours: Type.Optional(HoursField) },
  strict,
);
const Schedule = Type.Object({
  schedule_id: Type.Integer(),
  name: Type.String(),
  timezone: Type.String(),
  hours: HoursField,
});
const shown = (row: store.ScheduleRow) => ({ ...row, hours: row.hours as Record<string, Range[]> });

/** `/v2/schedules`. */
export function scheduleRoutes(app: Router, context: ManageContext): void {
  const { db } = context;
  const id = (params: { schedule_id: string }) => idOf(params.schedule_id, 'Schedule');

  app.get(
    '/v2/schedules',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List schedules by name',
        querystring: Type.Object(PageQuery, strict),
        response: answers(200, ListOf(Schedule)),
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const [schedules, total] = await Promise.all([store.list(db, page), store.count(db)]);
      return ok(listOf(schedules.map(shown), total, page));
    },
  );

  app.post(
    '/v2/schedules',
    {
      config: needs('admin'),
      schema: { tags, summary: 'Create a schedule', body: Create, response: answers(201, Schedule) },
    },
    async (request, reply) => {
      const schedule = await createSchedule(context, request.body, actorOf(request));
      reply.code(201);
      return ok(shown(schedule), 'Schedule created');
    },
  );

  app.get(
    '/v2/schedules/:schedule_id',
    {
      config: needs('read'),
      schema: { tags, summary: 'One schedule', params: Params, response: answers(200, Schedule) },
    },
    async ({ params }) => {
      const schedule = await store.find(db, id(params));
      if (schedule === undefined) throw unknown('schedule', id(params));
      return ok(shown(schedule));
    },
  );

  app.patch(
    '/v2/schedules/:schedule_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Change a schedule',
        params: Params,
        body: Patch,
        response: answers(200, Schedule),
      },
    },
    async (request) =>
      ok(shown(await changeSchedule(context, id(request.params), request.body, actorOf(request)))),
  );

  app.delete(
    '/v2/schedules/:schedule_id',
    {
      config: needs('admin'),
      schema: {
        tags,
        summary: 'Remove a schedule; its services lose their schedule_id',
        params: Params,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await removeSchedule(context, id(request.params), actorOf(request));
      return ok('' as const, 'Schedule deleted');
    },
  );
}
