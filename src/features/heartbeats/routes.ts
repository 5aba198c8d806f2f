import { Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { answers, ok } from '../../http/envelope.ts';
import { instantOf, ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Database } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { AnyCase, Instant, Nullable } from '../../platform/schema.ts';
import { RUN_STATUSES, runStatistics } from './statistics.ts';
import { STATUSES } from './status.ts';
import * as store from './store-history.ts';

const tags = ['heartbeats'];
const Params = Type.Object({ service_id: Type.String() });
const Period = { start_date: Type.Optional(Type.String()), end_date: Type.Optional(Type.String()) };

const Event = Type.Object({
  heartbeat_id: Type.Integer(),
  time: Instant,
  status: Type.String({ enum: [...STATUSES] }),
  run_id: Nullable(Type.String()),
  message: Nullable(Type.String()),
  source: Type.String({ enum: ['api', 'signal', 'ping'] }),
});

const EventQuery = Type.Object(
  {
    ...PageQuery,
    ...Period,
    status: Type.Optional(AnyCase(STATUSES)),
    run_id: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

const Run = Type.Object({
  run_id: Type.String(),
  status: Type.String({ enum: [...RUN_STATUSES] }),
  started_at: Instant,
  completed_at: Nullable(Instant),
  duration_ms: Nullable(Type.Integer()),
  stale: Type.Boolean(),
});

const RunQuery = Type.Object(
  {
    ...PageQuery,
    ...Period,
    status: Type.Optional(AnyCase(RUN_STATUSES)),
    run_id: Type.Optional(Type.String()),
    open: Type.Optional(Type.Boolean()),
    older_than: Type.Optional(Type.Integer({ minimum: 0, maximum: 315_360_000, description: 'Seconds' })),
  },
  { additionalProperties: false },
);

const Statistic = Nullable(Type.Number());
const Statistics = Type.Object({
  service_id: Type.Integer(),
  run_count: Type.Integer(),
  avg_duration_ms: Statistic,
  p50_duration_ms: Statistic,
  p95_duration_ms: Statistic,
  p99_duration_ms: Statistic,
  min_duration_ms: Statistic,
  max_duration_ms: Statistic,
});

/** What a service reported: its events, its runs and their statistics (spec 01 section 3, spec 02). */
export function heartbeatRoutes(app: Router, db: Database, clock: Clock): void {
  async function knownService(text: string): Promise<number> {
    const serviceId = idOf(text, 'Service');
    if (!(await store.serviceExists(db, serviceId))) {
      throw new MedicError('not_found', `Service ${serviceId} not found`);
    }
    return serviceId;
  }

  app.get(
    '/v2/services/:service_id/heartbeats',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'Events of a service, newest first',
        params: Params,
        querystring: EventQuery,
        response: answers(200, ListOf(Event)),
      },
    },
    async ({ params, query }) => {
      const serviceId = await knownService(params.service_id);
      const page = pageOf(query);
      const filter = {
        serviceId,
        status: query.status,
        runId: query.run_id,
        from: instantOf('start_date', query.start_date),
        to: instantOf('end_date', query.end_date),
      };
      const [rows, total] = await Promise.all([
        store.listEvents(db, filter, page),
        store.countEvents(db, filter),
      ]);
      const entries = rows.map(({ received_at, ...row }) => ({ ...row, time: received_at.toISOString() }));
      return ok(listOf(entries, total, page));
    },
  );

  app.get(
    '/v2/services/:service_id/runs',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'Runs of a job, newest start first',
        params: Params,
        querystring: RunQuery,
        response: answers(200, ListOf(Run)),
      },
    },
    async ({ params, query }) => {
      const serviceId = await knownService(params.service_id);
      const page = pageOf(query);
      const { older_than: age } = query;
      const filter = {
        serviceId,
        status: query.status,
        runId: query.run_id,
        open: query.open,
        startedBefore: age === undefined ? undefined : new Date(clock.now().getTime() - age * 1000),
        from: instantOf('start_date', query.start_date),
        to: instantOf('end_date', query.end_date),
      };
      const [rows, total] = await Promise.all([
        store.listRuns(db, filter, page),
        store.countRuns(db, filter),
      ]);
      const entries = rows.map((row) => ({
        ...row,
        started_at: row.started_at.toISOString(),
        completed_at: row.completed_at?.toISOString() ?? null,
        stale: row.status === 'STALE_ALERTED',
      }));
      return ok(listOf(entries, total, page));
    },
  );

  app.get(
    '/v2/services/:service_id/stats',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'Statistics of the newest runs',
        params: Params,
        response: answers(200, Statistics),
      },
    },
    async ({ params }) => {
      const serviceId = await knownService(params.service_id);
      return ok({ service_id: serviceId, ...runStatistics(await store.newestDurations(db, serviceId)) });
    },
  );
}
