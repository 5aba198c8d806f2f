import { Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { answers, ok } from '../../http/envelope.ts';
import { instantOf } from '../../http/list.ts';
import { idOf } from '../../http/path-id.ts';
import type { Router } from '../../http/server.ts';
import { invalid } from '../../platform/errors.ts';
import { AnyCase, Instant, Nullable } from '../../platform/schema.ts';
import { storedDecision } from '../routing/decision.ts';
import { DecisionV2, explained } from '../routing/explanation.ts';
import { type ExplainContext, explain } from './explain.ts';
import { ALERT_EVENTS } from './machine.ts';

const Explanation = Type.Object({
  service_id: Type.Integer(),
  at: Instant,
  event: Type.String({ enum: [...ALERT_EVENTS] }),
  suppressed: Nullable(Type.String({ description: 'Why nobody would be told' })),
  notification_mode: Type.String(),
  during_hours: Type.Boolean({ description: 'A service without schedule is always in its working hours' }),
  schedule_id: Nullable(Type.Integer()),
  schedule_name: Nullable(Type.String()),
  muted: Type.Boolean(),
  mute_until: Nullable(Instant),
  maintenance: Type.Object({
    in_maintenance: Type.Boolean(),
    window_id: Nullable(Type.Integer()),
    window_name: Nullable(Type.String()),
    maintenance_end: Nullable(Instant),
  }),
  active_alert_id: Nullable(Type.Integer()),
  quiet: Type.Boolean({ description: 'The service has targets, and none is for this period' }),
  decisions: Type.Array(DecisionV2),
});

/** Schedules and windows are defined for ever, but nobody is asked what they say then. */
const FARTHEST_MS = 10 * 366 * 86_400_000;

/** `/v2/services/{service_id}/explain`: our addition to the specification. */
export function explainRoutes(app: Router, context: ExplainContext): void {
  app.get(
    '/v2/services/:service_id/explain',
    {
      config: needs('read'),
      schema: {
        tags: ['services'],
        summary: 'Who would be told, and why, if something happened at an instant; tells nobody',
        params: Type.Object({ service_id: Type.String() }),
        querystring: Type.Object(
          {
            at: Type.Optional(Type.String({ description: 'Default: now' })),
            event: Type.Optional(AnyCase(ALERT_EVENTS, { default: 'opened' })),
          },
          { additionalProperties: false },
        ),
        response: answers(200, Explanation),
      },
    },
    async ({ params, query }) => {
      const service_id = idOf(params.service_id, 'Service');
      const now = context.clock.now();
      const at = instantOf('at', query.at) ?? now;
      if (Math.abs(at.getTime() - now.getTime()) > FARTHEST_MS) {
        throw invalid('at', 'must lie within ten years of now');
      }
      const event = query.event ?? 'opened';
      const { standing, muted, window, suppressed, quiet, duringHours, decisions } = await explain(
        context,
        service_id,
        event,
        at,
      );
      return ok({
        service_id,
        at: at.toISOString(),
        event,
        suppressed,
        notification_mode: standing.notification_mode,
        during_hours: duringHours,
        schedule_id: standing.schedule_id,
        schedule_name: standing.schedule_name,
        muted,
        mute_until: muted ? (standing.mute_until?.toISOString() ?? null) : null,
        maintenance: {
          in_maintenance: window !== undefined,
          window_id: window?.windowId ?? null,
          window_name: window?.windowName ?? null,
          maintenance_end: window?.end.toISOString() ?? null,
        },
        active_alert_id: standing.alert_id,
        quiet,
        decisions: decisions.map((decision) => explained(storedDecision(decision))),
      });
    },
  );
}
