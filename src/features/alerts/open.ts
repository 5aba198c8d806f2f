import type { Transaction } from '../../platform/db.ts';
import { named } from '../../platform/logging.ts';
import { announce } from './announce.ts';
import type { AlertContext } from './context.ts';
import type { Opening } from './store.ts';
import * as store from './store.ts';

/**
 * Opens an alert for each service, or run, that has none of its kind (spec 03 section 3). The caller holds the state rows.
 * In: services that fail. Out: alerts with cycle 1 and what follows from them.
 * Crash: all of it is in the caller's transaction; the unique index keeps a second alert out (G4).
 * @returns the active service alert of each service.
 */
export async function openAlerts(
  tx: Transaction,
  context: AlertContext,
  openings: readonly Opening[],
): Promise<Map<number, number>> {
  if (openings.length === 0) return new Map();
  const opened = await store.insertAlerts(tx, openings);
  const dueAt = new Map(openings.map((opening) => [opening.serviceId, opening.dueAt]));
  await announce(
    tx,
    context,
    opened.map(({ alert_id, created_at }) => ({ alertId: alert_id, event: 'opened', at: created_at })),
  );
  tx.afterCommit(() => {
    for (const alert of opened) {
      const due = dueAt.get(alert.service_id) ?? null;
      context.alertMetrics.opened.inc({ priority: alert.priority, team: alert.team });
      if (due !== null) {
        const delayMs = context.clock.now().getTime() - due.getTime();
        context.alertMetrics.detectionDelay.observe(Math.max(0, delayMs) / 1000);
      }
      named(context.log, 'alerts').info(
        { alert_id: alert.alert_id, service_id: alert.service_id, reason: alert.reason },
        'alert opened',
      );
    }
  });
  const existing = openings.length === opened.length ? [] : await store.activeAlerts(tx, [...dueAt.keys()]);
  const ofServices = [...existing, ...opened].filter(({ kind }) => kind === 'service');
  return new Map(ofServices.map((alert) => [alert.service_id, alert.alert_id]));
}
