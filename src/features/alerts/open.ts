import type { Transaction } from '../../platform/db.ts';
import { named } from '../../platform/logging.ts';
import { announce } from './announce.ts';
import type { AlertContext } from './context.ts';
import type { Opening } from './store.ts';
import * as store from './store.ts';

/**
 * Opens a service alert for each service that has none (spec 03 section 3). The caller holds the state rows.
 * In: services that fail. Out: alerts with cycle 1 and what follows from them.
 * Crash: all of it is in the caller's transaction; the unique index keeps a second alert out (G4).
 * @returns the active alert of each service.
 */
export async function openAlerts(
  tx: Transaction,
  context: AlertContext,
  openings: readonly Opening[],
): Promise<Map<number, number>> {
  if (openings.length === 0) return new Map();
  const opened = await store.insertAlerts(tx, openings);
  const byService = new Map(openings.map((opening) => [opening.serviceId, opening]));
  await announce(
    tx,
    context,
    opened.map(({ alert_id, created_at }) => ({ alertId: alert_id, event: 'opened', at: created_at })),
  );
  tx.afterCommit(() => {
    for (const alert of opened) {
      const dueAt = byService.get(alert.service_id)?.dueAt ?? null;
      context.alertMetrics.opened.inc({ priority: alert.priority, team: alert.team });
      if (dueAt !== null) {
        const delayMs = context.clock.now().getTime() - dueAt.getTime();
        context.alertMetrics.detectionDelay.observe(Math.max(0, delayMs) / 1000);
      }
      named(context.log, 'alerts').info(
        { alert_id: alert.alert_id, service_id: alert.service_id, reason: alert.reason },
        'alert opened',
      );
    }
  });
  const existing =
    openings.length === opened.length ? [] : await store.activeAlerts(tx, [...byService.keys()]);
  return new Map([...existing, ...opened].map((alert) => [alert.service_id, alert.alert_id]));
}
