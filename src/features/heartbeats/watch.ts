/**
 * What the life of a service means for judging it.
 * In: a service that was just registered or changed. Out: its service_state.
 * Crash: all of it is in the caller's transaction.
 */
import type { Transaction } from '../../platform/db.ts';
import { closeStaleAlerts } from '../alerts/close-runs.ts';
import type { AlertContext } from '../alerts/context.ts';
import type { Expectation } from './expectation.ts';
import { recentOutages } from './liveness.ts';
import { keptCheck, nextCheckOf, noCheck } from './next-check.ts';
import * as store from './store.ts';
import { newestSigns } from './store-events.ts';
import { takeReports } from './store-held.ts';
import { limitRuns } from './store-runs.ts';

/** Begins to judge a new service. */
export async function watch(
  tx: Transaction,
  serviceId: number,
  active: boolean,
  expectation: Expectation,
): Promise<void> {
  const watched = { serviceId, expectation, signs: [], alert: null };
  await store.insertState(
    tx,
    active ? nextCheckOf(watched, expectation.monitoringSince) : noCheck(serviceId),
  );
}

/** Takes the lock under which the state and the alerts of a service change. @returns false for an unknown service. */
export function lockService(tx: Transaction, serviceId: number): Promise<boolean> {
  return store.lockById(tx, serviceId);
}

/** As `lockService` for several, in one order for all callers. @returns those that exist. */
export function lockServices(tx: Transaction, serviceIds: readonly number[]): Promise<number[]> {
  return store.lockAll(tx, serviceIds);
}

/**
 * Adapts the judgement of a service to its changed configuration. The caller holds its lock, has written the
 * configuration, and has closed its alerts when it became inactive.
 */
export async function adapt(
  tx: Transaction,
  context: AlertContext,
  serviceId: number,
  at: Date,
): Promise<void> {
  const [subject] = await store.subjects(tx, [serviceId]);
  if (subject === undefined) return;
  const { active, alert, expectation, vitality, maxDurationMs } = subject;
  await limitRuns(tx, serviceId, active ? maxDurationMs : null, await recentOutages(tx, at));
  if (maxDurationMs === null) await closeStaleAlerts(tx, context, serviceId, at);
  if (!active) {
    await store.saveVitality(tx, [{ serviceId, vitality: { ...vitality, failureUncleared: false } }]);
    await takeReports(tx, [serviceId]);
    await store.saveChecks(tx, [noCheck(serviceId)]);
    return;
  }
  const signs = await signsFor(tx, serviceId, vitality.signs, expectation.threshold, alert !== null);
  await store.saveVitality(tx, [{ serviceId, vitality: { ...vitality, signs } }]);
  const next = nextCheckOf({ serviceId, expectation, signs, alert }, at);
  const isHeld = alert === null && vitality.failureUncleared;
  await store.saveChecks(tx, [isHeld ? keptCheck(subject, next) : next]);
}

/** As many signs as the threshold asks for. Those before a failure report stay void while the service is failing. */
async function signsFor(
  tx: Transaction,
  serviceId: number,
  signs: readonly Date[],
  threshold: number,
  failing: boolean,
): Promise<readonly Date[]> {
  if (signs.length >= threshold || failing) return signs.slice(0, threshold);
  return newestSigns(tx, serviceId, threshold);
}

/** The rule of a service from its columns. Throws CronError for an expression that cannot be evaluated. */
export const expectationOf = store.expectationOf;
