import { type Static, Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import { ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { CronError } from '../../platform/cron.ts';
import { Instant, MAX_ID, Name, Nullable, Text } from '../../platform/schema.ts';
import { unknown } from './context.ts';
import { windowOf } from './evaluate.ts';
import * as store from './store-windows.ts';
import { coverage, nextStart, type Window } from './window.ts';
import { changeWindow, createWindow, removeWindow, type WindowContext } from './windows.ts';

const tags = ['maintenance windows'];
const strict = { additionalProperties: false };
const Params = Type.Object({ window_id: Type.String() });

const ListQuery = Type.Object(
  {
    ...PageQuery,
    active_now: Type.Optional(Type.Boolean()),
    service_id: Type.Optional(
      Type.Integer({ minimum: 0, maximum: MAX_ID, description: 'Windows that cover this service' }),
    ),
  },
  strict,
);

const REQUIRED = { name: Name(255), start_time: Text(64), end_time: Text(64) };
const OPTIONAL = {
  recurrence: Type.Optional(
    Nullable(
      Type.String({
        minLength: 1,
        maxLength: 255,
        pattern: '^[^\\u0000]*$',
        description: 'Cron expression; each occurrence opens a window as long as from start_time to end_time',
      }),
    ),
  ),
  timezone: Type.Optional(Text(64)),
  service_ids: Type.Optional(
    Type.Array(Type.Integer({ minimum: 0, maximum: MAX_ID }), { description: 'Empty: all services' }),
  ),
};
const Create = Type.Object({ ...REQUIRED, ...OPTIONAL }, strict);
const Patch = Type.Object(
  {
    name: Type.Optional(REQUIRED.name),
    start_time: Type.Optional(REQUIRED.start_time),
    end_time: Type.Optional(REQUIRED.end_time),
    ...OPTIONAL,
  },
  strict,
);

const MaintenanceWindow = Type.Object({
  window_id: Type.Integer(),
  name: Type.String(),
  start_time: Instant,
  end_time: Instant,
  recurrence: Nullable(Type.String()),
  timezone: Type.String(),
  service_ids: Type.Array(Type.Integer()),
  active_now: Type.Boolean(),
  next_start: Nullable(Instant),
});

/** `/v2/maintenance-windows`. */
export function windowRoutes(app: Router, context: WindowContext): void {
  const { db, clock } = context;
  const id = (params: { window_id: string }) => idOf(params.window_id, 'Maintenance window');

  app.get(
    '/v2/maintenance-windows',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List maintenance windows, newest first',
        querystring: ListQuery,
        response: answers(200, ListOf(MaintenanceWindow)),
      },
    },
    async ({ query }) => {
      const { active_now, service_id } = query;
      const page = pageOf(query);
      const now = clock.now();
      if (active_now === undefined) {
        const [rows, total] = await Promise.all([
          store.list(db, service_id, page),
          store.count(db, service_id),
        ]);
        return ok(
          listOf(
            rows.map((row) => shown(row, now)),
            total,
            page,
          ),
        );
      }
      // Only evaluating it tells whether a window is active.
      const all = (await store.list(db, service_id, { limit: null, offset: 0 })).filter(
        (row) => isActive(row, now) === active_now,
      );
      const rows = all.slice(page.offset, page.offset + page.limit);
      return ok(
        listOf(
          rows.map((row) => shown(row, now)),
          all.length,
          page,
        ),
      );
    },
  );

  app.post(
    '/v2/maintenance-windows',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Create a maintenance window',
        body: Create,
        response: answers(201, MaintenanceWindow),
      },
    },
    async (request, reply) => {
      const row = await createWindow(context, request.body, actorOf(request));
      reply.code(201);
      return ok(shown(row, clock.now()), 'Maintenance window created');
    },
  );

  app.get(
    '/v2/maintenance-windows/:window_id',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'One maintenance window',
        params: Params,
        response: answers(200, MaintenanceWindow),
      },
    },
    async ({ params }) => {
      const row = await store.find(db, id(params));
      if (row === undefined) throw unknown('maintenance_window', id(params));
      return ok(shown(row, clock.now()));
    },
  );

  app.patch(
    '/v2/maintenance-windows/:window_id',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Change a maintenance window; what it held back is judged anew',
        params: Params,
        body: Patch,
        response: answers(200, MaintenanceWindow),
      },
    },
    async (request) =>
      ok(shown(await changeWindow(context, id(request.params), request.body, actorOf(request)), clock.now())),
  );

  app.delete(
    '/v2/maintenance-windows/:window_id',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Remove a maintenance window; what it held back is judged anew',
        params: Params,
        response: { 200: EmptyEnvelope, ...failures },
      },
    },
    async (request) => {
      await removeWindow(context, id(request.params), actorOf(request));
      return ok('' as const, 'Maintenance window deleted');
    },
  );
}

function shown(row: store.WindowRow, now: Date): Static<typeof MaintenanceWindow> {
  return {
    window_id: row.window_id,
    name: row.name,
    start_time: row.starts_at.toISOString(),
    end_time: row.ends_at.toISOString(),
    recurrence: row.recurrence,
    timezone: row.timezone,
    service_ids: row.service_ids,
    active_now: isActive(row, now),
    next_start: nextStartOf(row, now),
  };
}

function isActive(row: store.WindowRow, now: Date): boolean {
  return evaluated(row, (window) => coverage(window, now) !== null) ?? false;
}

function nextStartOf(row: store.WindowRow, now: Date): string | null {
  return evaluated(row, (window) => nextStart(window, now)?.toISOString()) ?? null;
}

/** A stored window that cannot be evaluated is never active, and hides no other of a list. */
function evaluated<T>(row: store.WindowRow, answer: (window: Window) => T): T | undefined {
  try {
    return answer(windowOf(row));
  } catch (error) {
    if (error instanceof CronError) return undefined;
    throw error;
  }
}
