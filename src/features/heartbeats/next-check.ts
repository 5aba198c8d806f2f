import type { Hold } from '../routing/maintenance.ts';
import { deadline, type Expectation, missedPeriods, nextLook } from './expectation.ts';
import type { Outage } from './outage.ts';

/** When a service is looked at next, and its active alert. */
export interface Check {
  serviceId: number;
  /** Null: it is not judged. */
  checkAt: Date | null;
  alertId: number | null;
  /** Cron mode: the occurrence that is waited for. */
  awaitedAt: Date | null;
  /** The maintenance window that holds back its alert. */
  heldBy: number | null;
  /** It has not reported when it was expected, or a window holds back its alert. */
  late: boolean;
}

export interface Watched {
  serviceId: number;
  expectation: Expectation;
  signs: readonly Date[];
  /** The active alert, and where its running period began. */
  alert: { alertId: number; periodFrom: Date } | null;
}

/** The next look at an active service: when it would be overdue, or, while it is failing, when its period has passed. */
export function nextCheckOf(watched: Watched, at: Date, outages: readonly Outage[] = []): Check {
  const { serviceId, expectation, signs, alert } = watched;
  if (alert !== null) {
    const { until } = missedPeriods(expectation, alert.periodFrom, alert.periodFrom, signs, outages);
    return { serviceId, checkAt: until, alertId: alert.alertId, awaitedAt: null, heldBy: null, late: false };
  }
  const checkAt = nextLook(expectation, signs, at, outages);
  const { expectedAt } = deadline(expectation, signs, outages);
  const awaitedAt = awaited(watched, outages);
  return { serviceId, checkAt, alertId: null, awaitedAt, heldBy: null, late: expectedAt < at };
}

/**
 * The next look at a service whose alert a maintenance window holds back: when the window ends. In cron mode also at
 * each occurrence, from which on it is late.
 */
export function heldCheckOf(watched: Watched, hold: Hold, at: Date, outages: readonly Outage[] = []): Check {
  const { serviceId, expectation } = watched;
  const following = expectation.mode === 'cron' ? expectation.next(at) : null;
  const checkAt = following === null || following > hold.until ? hold.until : following;
  const awaitedAt = awaited(watched, outages);
  return { serviceId, checkAt, alertId: null, awaitedAt, heldBy: hold.windowId, late: true };
}

function awaited({ expectation, signs }: Watched, outages: readonly Outage[]): Date | null {
  return expectation.mode === 'cron' ? deadline(expectation, signs, outages).expectedAt : null;
}

/** No further look: the service is inactive. */
export function noCheck(serviceId: number): Check {
  return { serviceId, checkAt: null, alertId: null, awaitedAt: null, heldBy: null, late: false };
}

/**
 * What does not clear a failure that a window holds back, such as STARTED or a change of the service, does not put off
 * its judgement.
 */
export function keptCheck(before: Pick<Check, 'heldBy'> & { checkAt: Date | null }, next: Check): Check {
  const { checkAt, heldBy } = before;
  const isEarlier = checkAt !== null && (next.checkAt === null || checkAt < next.checkAt);
  return { ...next, heldBy, late: true, checkAt: isEarlier ? checkAt : next.checkAt };
}
