import type { Transaction } from '../../platform/db.ts';
import type { AlertContext } from '../alerts/context.ts';
import { countFailures } from '../alerts/count.ts';
import { openAlerts } from '../alerts/open.ts';
import { deadline, missedPeriods } from './expectation.ts';
import { type Check, nextCheckOf, noCheck } from './next-check.ts';
import { type Outage, outageSeconds } from './outage.ts';
import type { Subject } from './store.ts';
import * as store from './store.ts';

export interface Judging {
  now: Date;
  /** What passed before this instant has passed. */
  asOf: Date;
  outages: readonly Outage[];
}

/**
 * Judges services whose check is due and whose state rows the caller holds.
 * In: subjects. Out: alerts opened for overdue services, cycles of failing ones raised, the next check of each.
 * Crash: all of it is in the caller's transaction.
 */
export async function judgeSilence(
  tx: Transaction,
  context: AlertContext,
  subjects: readonly Subject[],
  judging: Judging,
): Promise<void> {
  const { now } = judging;
  const opened = await openAlerts(
    tx,
    context,
    subjects
      .filter((subject) => isOverdue(subject, judging))
      .map((subject) => ({
        serviceId: subject.serviceId,
        kind: 'service' as const,
        reason: 'missed_heartbeat' as const,
        runId: null,
        at: now,
        dueAt: deadlineOf(subject, judging).overdueAt,
        outageSeconds: lostTo(subject, judging),
        report: null,
      })),
  );
  await countFailures(
    tx,
    context,
    subjects.flatMap((subject) => {
      const missed = missedBy(subject, judging);
      return missed === null || missed.count === 0
        ? []
        : [{ alertId: missed.alertId, by: missed.count, at: now, periodFrom: missed.from, report: null }];
    }),
  );
  await store.saveChecks(
    tx,
    subjects.map((subject) => checkAfter(subject, opened.get(subject.serviceId), judging)),
  );
}

function deadlineOf({ expectation, vitality }: Subject, { outages }: Judging) {
  return deadline(expectation, vitality.signs, outages);
}

function isOverdue(subject: Subject, judging: Judging): boolean {
  return subject.active && subject.alert === null && deadlineOf(subject, judging).overdueAt < judging.asOf;
}

/** Of the period that was missed: it begins with the sign of life that the deadline counts from. */
function lostTo({ expectation, vitality }: Subject, judging: Judging): number {
  const { monitoringSince, threshold } = expectation;
  return outageSeconds(monitoringSince, vitality.signs.slice(threshold - 1), judging);
}

/** The periods that a failing service has missed since its alert was last counted, or null. */
function missedBy({ alert, active, expectation, vitality }: Subject, { asOf, outages }: Judging) {
  if (alert === null || !active) return null;
  const periods = missedPeriods(expectation, alert.periodFrom, asOf, vitality.signs, outages);
  return { alertId: alert.alertId, ...periods };
}

function checkAfter(subject: Subject, opened: number | undefined, judging: Judging): Check {
  const { serviceId, expectation, vitality } = subject;
  if (!subject.active) return noCheck(serviceId);
  const missed = missedBy(subject, judging);
  const counted = missed === null ? null : { alertId: missed.alertId, periodFrom: missed.from };
  const alert = opened === undefined ? counted : { alertId: opened, periodFrom: judging.now };
  return nextCheckOf({ serviceId, expectation, signs: vitality.signs, alert }, judging.asOf, judging.outages);
}
