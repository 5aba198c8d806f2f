import { type Static, Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { authorOf } from '../../http/actor.ts';
import { answers, ok } from '../../http/envelope.ts';
import { instantOf, ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { MedicError } from '../../platform/errors.ts';
import { AnyCase, Instant, MAX_ID, Nullable } from '../../platform/schema.ts';
import type { ManageContext } from './manage.ts';
import { restore } from './restore.ts';
import { SNAPSHOT_KINDS } from './snapshot-kind.ts';
import * as store from './store-snapshots.ts';

const tags = ['snapshots'];
const Params = Type.Object({ snapshot_id: Type.String() });

/** The earlier state of a service (spec 06 section 10). */
const Snapshot = Type.Object({
  snapshot_id: Type.Integer(),
  service_id: Type.Integer(),
  heartbeat_name: Type.String(),
  snapshot_data: Type.Unsafe<object>({ type: 'object', additionalProperties: true }),
  action_type: Type.String({ enum: [...SNAPSHOT_KINDS] }),
  actor: Type.String(),
  actor_note: Nullable(Type.String()),
  created_at: Instant,
  restored_at: Nullable(Instant),
  restored_by: Nullable(Type.String()),
});

const ListQuery = Type.Object(
  {
    ...PageQuery,
    service_id: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_ID })),
    action_type: Type.Optional(AnyCase(SNAPSHOT_KINDS)),
    start_date: Type.Optional(Type.String()),
    end_date: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

/** `/v2/snapshots`. */
export function snapshotRoutes(app: Router, context: ManageContext): void {
  const { db } = context;

  app.get(
    '/v2/snapshots',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'Earlier states of services, newest first',
        querystring: ListQuery,
        response: answers(200, ListOf(Snapshot)),
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const filter = {
        serviceId: query.service_id,
        kind: query.action_type,
        from: instantOf('start_date', query.start_date),
        to: instantOf('end_date', query.end_date),
      };
      const [rows, total] = await Promise.all([store.list(db, filter, page), store.count(db, filter)]);
      return ok(listOf(rows.map(shown), total, page));
    },
  );

  app.get(
    '/v2/snapshots/:snapshot_id',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'One earlier state of a service',
        params: Params,
        response: answers(200, Snapshot),
      },
    },
    async ({ params }) => {
      const id = idOf(params.snapshot_id, 'Snapshot');
      const snapshot = await store.find(db, id);
      if (snapshot === undefined) throw new MedicError('not_found', `Snapshot ${id} not found`);
      return ok(shown(snapshot));
    },
  );

  app.post(
    '/v2/snapshots/:snapshot_id/restore',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Undo: give a service this state back; a deleted one comes back with its id and ping key',
        params: Params,
        body: Type.Object({}, { additionalProperties: false }),
        response: answers(200, Snapshot),
      },
    },
    async (request) => {
      const id = idOf(request.params.snapshot_id, 'Snapshot');
      return ok(shown(await restore(context, id, authorOf(request))), 'Snapshot restored');
    },
  );
}

function shown(row: store.SnapshotRow): Static<typeof Snapshot> {
  return {
    ...row,
    created_at: row.created_at.toISOString(),
    restored_at: row.restored_at?.toISOString() ?? null,
  };
}
