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
    return { serviceId, checkAt: until, alertId: alert.alertId, awaitedAt: null };
  }
  const awaitedAt = expectation.mode === 'cron' ? deadline(expectation, signs, outages).expectedAt : null;
  return { serviceId, checkAt: nextLook(expectation, signs, at, outages), alertId: null, awaitedAt };
}

/** No further look: the service is inactive. */
export function noCheck(serviceId: number): Check {
  return { serviceId, checkAt: null, alertId: null, awaitedAt: null };
}
