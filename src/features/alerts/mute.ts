import { type DatabasePool, isUnavailable, type Transaction } from '../../platform/db.ts';
import { named } from '../../platform/logging.ts';
import { coveringWindows } from '../routing/maintenance.ts';
import { announce } from './announce.ts';
import type { AlertContext } from './context.ts';
import type { Mute } from './store.ts';
import * as store from './store.ts';

/** Holds back messages about a service until an instant; a second mute replaces the first (spec 03 section 7). */
export async function mute(tx: Transaction, entry: Mute): Promise<void> {
  await store.saveMute(tx, entry);
}

/**
 * Ends the mutes of services, whose state rows the caller holds. An alert that nobody has heard of is announced
 * now, with its present cycle; one that was announced before the mute is reminded of, except in maintenance.
 */
export async function unmute(
  tx: Transaction,
  context: AlertContext,
  serviceIds: readonly number[],
  at: Date,
): Promise<void> {
  const ended = await store.deleteMutes(tx, serviceIds);
  const active = await store.activeAlerts(tx, ended);
  // Only service alerts remind; one of a run is announced once.
  const reminders = active.filter(({ kind, announced }) => kind === 'service' && announced);
  const covering = await coveringWindows(
    tx,
    reminders.map(({ service_id }) => service_id),
    at,
  );
  await announce(
    tx,
    context,
    active
      .filter((alert) => !alert.announced || (reminders.includes(alert) && !covering.has(alert.service_id)))
      .map((alert) => ({ alertId: alert.alert_id, event: 'reminder', at })),
  );
}

/**
 * Ends every mute whose time is over.
 * In: mutes with `mute_until <= now`. Out: mutes removed, alerts announced.
 * Crash: a mute and what its end announces are one transaction; what is left is found by the next round.
 */
export async function endMutes(
  db: DatabasePool,
  context: AlertContext,
  now: Date,
  lock: (tx: Transaction, serviceId: number) => Promise<boolean>,
): Promise<void> {
  const expired = await store.expiredMutes(db, now);
  for (const serviceId of expired) {
    try {
      await db.transaction(async (tx) => {
        if (!(await lock(tx, serviceId)) || !(await store.isMuteOver(tx, serviceId, now))) return;
        await unmute(tx, context, [serviceId], now);
        tx.afterCommit(() => named(context.log, 'alerts').info({ service_id: serviceId }, 'mute ended'));
      });
    } catch (error) {
      if (isUnavailable(error)) throw error;
      named(context.log, 'alerts').error({ service_id: serviceId, exception: error }, 'a mute could not end');
    }
  }
}

/** Leaves the last names of a service on its alerts, before it is deleted. */
export const keepNames = store.keepNames;

/** When the next mute ends, or null. */
export const nextMuteEnd = store.nextMuteEnd;
