/**
 * Who would be told if something happened to a service at an instant: the same rules as when it happens.
 * In: the service, its alert, mute, schedule, windows, targets and webhooks. Out: values only. Crash: nothing is left.
 */
import type { DatabasePool } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import type { Verdict } from '../routing/decide.ts';
import type { Reason } from '../routing/decision.ts';
import { weigh } from '../routing/dispatch.ts';
import { type Covering, coveringWindows } from '../routing/maintenance.ts';
import type { AlertContext } from './context.ts';
import { type AlertEvent, suppression } from './machine.ts';
import { type Standing, standingOf } from './store-explain.ts';

export interface ExplainContext extends AlertContext {
  db: DatabasePool;
}

export interface Explanation extends Verdict {
  standing: Standing;
  muted: boolean;
  window: Covering | undefined;
  /** Why nobody would be told, or null. */
  suppressed: Reason | null;
}

/** What happens to no alert while a window covers the service (spec 03 section 6). */
const HELD_IN_MAINTENANCE: ReadonlySet<AlertEvent> = new Set(['opened', 'reminder']);

/** Throws `not_found` for an unknown service. */
export async function explain(
  context: ExplainContext,
  serviceId: number,
  event: AlertEvent,
  at: Date,
): Promise<Explanation> {
  const { db } = context;
  const standing = await standingOf(db, serviceId);
  if (standing === undefined) throw new MedicError('not_found', `Service ${serviceId} not found`);
  const { muted_at, mute_until, last_message_at, alert_id } = standing;
  const muted = muted_at !== null && mute_until !== null && muted_at <= at && at < mute_until;
  const window = (await coveringWindows(db, [serviceId], at)).get(serviceId);
  const suppressed =
    window !== undefined && HELD_IN_MAINTENANCE.has(event)
      ? 'in_maintenance'
      : suppression(event, {
          muted,
          acknowledged: standing.state === 'acknowledged',
          byReport: false,
          sinceLastMessageMs: last_message_at === null ? null : at.getTime() - last_message_at.getTime(),
          reminderMinMs: context.reminderMinSeconds * 1000,
        });
  const facts = { event, service: { service_id: serviceId } };
  const [verdict] = await weigh(db, context, [{ alertId: alert_id ?? 0, at, muted, suppressed, facts }]);
  return { ...(verdict as Verdict), standing, muted, window, suppressed };
}
