import type { Transaction } from '../../platform/db.ts';
import { deadline, type Expectation, nextPeriod } from './expectation.ts';
import * as store from './store.ts';
import { deleteEvents, newestSigns } from './store-events.ts';

/** Begins to judge a new service. */
export async function watch(
  tx: Transaction,
  serviceId: number,
  active: boolean,
  expectation: Expectation,
): Promise<void> {
  await store.insertState(tx, serviceId, active ? deadline(expectation, []).overdueAt : null);
}

/** Takes the lock under which the state and the alerts of a service change. @returns false for an unknown service. */
export function lockService(tx: Transaction, serviceId: number): Promise<boolean> {
  return store.lockById(tx, serviceId);
}

/**
 * Adapts the judgement of a service to its changed configuration. The caller holds its lock, has written the
 * configuration, and has closed its alerts when it became inactive.
 */
export async function adapt(tx: Transaction, serviceId: number): Promise<void> {
  const [subject] = await store.subjects(tx, [serviceId]);
  if (subject === undefined) return;
  const { active, alert, expectation, vitality } = subject;
  if (!active) {
    await store.saveVitality(tx, [{ serviceId, vitality: { ...vitality, failureUncleared: false } }]);
    await store.saveChecks(tx, [{ serviceId, checkAt: null, alertId: null }]);
    return;
  }
  const signs = await signsFor(tx, serviceId, vitality.signs, expectation.threshold, alert !== null);
  await store.saveVitality(tx, [{ serviceId, vitality: { ...vitality, signs } }]);
  const checkAt =
    alert === null ? deadline(expectation, signs).overdueAt : nextPeriod(expectation, alert.periodFrom);
  await store.saveChecks(tx, [{ serviceId, checkAt, alertId: alert?.alertId ?? null }]);
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

/** Removes what a deleted service reported. */
export async function forget(tx: Transaction, serviceId: number): Promise<void> {
  await deleteEvents(tx, serviceId);
}
