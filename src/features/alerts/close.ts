import type { Transaction } from '../../platform/db.ts';
import { named } from '../../platform/logging.ts';
import { announce } from './announce.ts';
import type { AlertContext } from './context.ts';
import { type CloseReason, statesThatAccept } from './machine.ts';
import { unmute } from './mute.ts';
import type { Closing } from './store.ts';
import * as store from './store.ts';

/** What is announced as a recovery. */
const ENDED_WELL: ReadonlySet<CloseReason> = new Set(['recovered', 'run_finished']);

/**
 * Closes active alerts and ends the mutes of their services (spec 03 section 5).
 * In: active alerts, whose state rows the caller holds. Out: closed alerts, alert_events, recovery messages.
 * Crash: all of it is in the caller's transaction.
 */
export async function closeAlerts(
  tx: Transaction,
  context: AlertContext,
  closings: readonly Closing[],
): Promise<void> {
  if (closings.length === 0) return;
  const recovered = closings.filter(({ reason }) => reason === 'recovered');
  const withdrawn = closings.filter(({ reason }) => reason !== 'recovered');
  const closed = [
    ...(await store.closeAlerts(tx, recovered, statesThatAccept('recover'))),
    ...(await store.closeAlerts(tx, withdrawn, statesThatAccept('withdraw'))),
  ];
  await announce(
    tx,
    context,
    closed.map((alert) => ({
      alertId: alert.alert_id,
      event: ENDED_WELL.has(alert.close_reason) ? 'recovered' : 'closed',
      at: alert.closed_at,
    })),
  );
  const ofServices = closed.filter(({ kind }) => kind === 'service');
  const [first] = ofServices;
  if (first !== undefined) {
    const serviceIds = ofServices.map((alert) => alert.service_id);
    // Alerts of runs that opened silently under the mute are heard of now.
    await unmute(tx, context, serviceIds, first.closed_at);
  }
  tx.afterCommit(() => {
    for (const alert of closed) {
      context.alertMetrics.resolved.inc();
      named(context.log, 'alerts').info(
        { alert_id: alert.alert_id, service_id: alert.service_id, close_reason: alert.close_reason },
        'alert closed',
      );
    }
  });
}

/** Closes whatever alerts of a service are active. */
export async function closeAlertsOf(
  tx: Transaction,
  context: AlertContext,
  serviceId: number,
  reason: CloseReason,
  at: Date,
): Promise<void> {
  const active = await store.activeAlerts(tx, [serviceId]);
  await closeAlerts(
    tx,
    context,
    active.map((alert) => ({ alertId: alert.alert_id, reason, at })),
  );
}
