import { type Static, Type } from 'typebox';
import { actorOf, needs } from '../../http/access.ts';
import { answers, ok } from '../../http/envelope.ts';
import { instantOf, ListOf, listOf, PageQuery, pageOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { AnyCase, MAX_ID, SearchText, Text } from '../../platform/schema.ts';
import { deliveriesOf } from '../notifications/history.ts';
import { deliveryOf } from '../notifications/resource.ts';
import { explained } from '../routing/explanation.ts';
import { acknowledgeAlert } from './acknowledge.ts';
import { resolveAlert } from './close-runs.ts';
import type { AlertContext } from './context.ts';
import { ALERT_KINDS, ALERT_REASONS, type AlertReason } from './reason.ts';
import { AlertDetail, AlertV1, AlertV2, alertV1, alertV2 } from './resource.ts';
import * as store from './store-view.ts';

export interface AlertRouteContext extends AlertContext {
  db: DatabasePool;
}

/** Alerts without a filter that v1 answers at most. */
const NEWEST_V1 = 100;

/** Of an alert: how it began, and the newest; one that is forgotten has a reminder for every period. */
const SHOWN_DELIVERIES = { first: 250, newest: 750 };
const SHOWN_CHANGES = { first: 50, newest: 200 };

const Params = Type.Object({ alert_id: Type.String() });

const ListQuery = Type.Object(
  {
    ...PageQuery,
    active: Type.Optional(Type.Boolean()),
    service_id: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_ID })),
    kind: Type.Optional(AnyCase(ALERT_KINDS)),
    reason: Type.Optional(AnyCase(Object.keys(ALERT_REASONS) as AlertReason[])),
    priority: Type.Optional(AnyCase(['p1', 'p2', 'p3', 'p4', 'p5'])),
    team: Type.Optional(SearchText),
    acknowledged: Type.Optional(Type.Boolean()),
    start_date: Type.Optional(Type.String()),
    end_date: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

/** `/v2/alerts`. */
export function alertRoutes(app: Router, context: AlertRouteContext): void {
  const { db, clock } = context;
  const tags = ['alerts'];

  async function detail(alertId: number) {
    const [rows, deliveries, history, changes] = await Promise.all([
      store.rowsById(db, [alertId]),
      deliveriesOf(db, alertId, SHOWN_DELIVERIES),
      store.eventsOf(db, alertId, SHOWN_CHANGES),
      store.countEvents(db, alertId),
    ]);
    const row = rows.get(alertId);
    if (row === undefined) throw new MedicError('not_found', `Alert ${alertId} not found`);
    return {
      ...alertV2(row),
      notifications: deliveries.rows.map(deliveryOf),
      notifications_count: deliveries.count,
      history: history.map(({ occurred_at, cycle, decisions, ...event }) => ({
        ...event,
        decisions: decisions.map(explained),
        alert_cycle: cycle,
        occurred_at: occurred_at.toISOString(),
      })),
      history_count: changes,
      executions: [],
    };
  }

  app.get(
    '/v2/alerts',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'List alerts, newest first',
        querystring: ListQuery,
        response: answers(200, ListOf(AlertV2)),
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const filter = filterOf(query);
      const [rows, total] = await Promise.all([store.list(db, filter, page), store.count(db, filter)]);
      return ok(listOf(rows.map(alertV2), total, page));
    },
  );

  app.get(
    '/v2/alerts/:alert_id',
    {
      config: needs('read'),
      schema: {
        tags,
        summary: 'One alert with its deliveries',
        params: Params,
        response: answers(200, AlertDetail),
      },
    },
    async ({ params }) => ok(await detail(idOf(params.alert_id, 'Alert'))),
  );

  app.post(
    '/v2/alerts/:alert_id/acknowledge',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Someone is on it: stops reminders',
        params: Params,
        body: Type.Object({ comment: Type.Optional(Text(2000, 0)) }, { additionalProperties: false }),
        response: answers(200, AlertDetail),
      },
    },
    async (request) => {
      const { params, body } = request;
      const alertId = idOf(params.alert_id, 'Alert');
      const comment = body.comment ?? null;
      const entry = { alertId, actor: actorOf(request), comment, at: clock.now() };
      await db.transaction((tx) => acknowledgeAlert(tx, context, entry));
      return ok(await detail(alertId), 'Alert acknowledged');
    },
  );

  app.post(
    '/v2/alerts/:alert_id/resolve',
    {
      config: needs('write'),
      schema: {
        tags,
        summary: 'Close an alert of a run; one of a service closes by recovery',
        params: Params,
        body: Type.Object({}, { additionalProperties: false }),
        response: answers(200, AlertDetail),
      },
    },
    async ({ params }) => {
      const alertId = idOf(params.alert_id, 'Alert');
      await db.transaction((tx) => resolveAlert(tx, context, alertId, clock.now()));
      return ok(await detail(alertId), 'Alert resolved');
    },
  );
}

function filterOf(query: Static<typeof ListQuery>): store.Filter {
  const { service_id, start_date, end_date, ...same } = query;
  return {
    ...same,
    serviceId: service_id,
    from: instantOf('start_date', start_date),
    to: instantOf('end_date', end_date),
  };
}

const QueryV1 = Type.Object({ active: Type.Optional(Type.Integer()) }, { additionalProperties: false });

/** `/alerts`, and `/v1/alerts`, its identical alias (spec 03 section 1). */
export function alertRoutesV1(app: Router, context: AlertRouteContext, prefix: '' | '/v1'): void {
  app.get(
    `${prefix}/alerts`,
    {
      config: needs('read'),
      schema: {
        tags: ['v1'],
        summary: 'List alerts',
        querystring: QueryV1,
        response: answers(200, Type.Array(AlertV1)),
      },
    },
    async ({ query }) => {
      const all = query.active !== undefined;
      const filter = all ? { active: query.active !== 0 } : {};
      return ok(
        (await store.list(context.db, filter, { limit: all ? null : NEWEST_V1, offset: 0 })).map(alertV1),
      );
    },
  );
}
