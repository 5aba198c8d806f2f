import type { Transaction } from '../../platform/db.ts';
import type { AlertContext } from '../alerts/context.ts';
import { countFailures, passOver } from '../alerts/count.ts';
import { openAlerts } from '../alerts/open.ts';
import { type Maintenance, maintenanceOf } from '../routing/maintenance.ts';
import { deadline, missedPeriods } from './expectation.ts';
import { tellHeld } from './held.ts';
import { missedOutside } from './missed.ts';
import { type Check, heldCheckOf, nextCheckOf, noCheck } from './next-check.ts';
import { type Outage, outageSeconds } from './outage.ts';
import type { Subject } from './store.ts';
import * as store from './store.ts';
import { type HeldReport, takeReports } from './store-held.ts';

export interface Judging {
  now: Date;
  /** What passed before this instant has passed. */
  asOf: Date;
  outages: readonly Outage[];
}

/**
 * Judges services whose check is due and whose state rows the caller holds.
 * In: subjects. Out: alerts opened for services that are overdue, or whose failure a maintenance window held back;
 * cycles of failing ones raised; the next check of each.
 * Crash: all of it is in the caller's transaction.
 */
export async function judgeSilence(
  tx: Transaction,
  context: AlertContext,
  subjects: readonly Subject[],
  judging: Judging,
): Promise<void> {
  const failing = subjects.filter((subject) => isFailing(subject, judging));
  const missed = subjects.flatMap((subject) => missedBy(subject, judging));
  const maintenance = await maintenanceOf(
    tx,
    context.log,
    [...failing, ...missed].map(({ serviceId }) => serviceId),
    { from: earliest(judging.now, missed), at: judging.now },
  );
  const opened = await openUnlessHeld(tx, context, failing, judging, maintenance);
  const counted = await countOutside(tx, context, missed, judging, maintenance);
  await store.saveChecks(
    tx,
    subjects.map((subject) => {
      const { serviceId } = subject;
      const opening = opened.get(serviceId);
      const alert =
        opening === undefined
          ? (counted.get(serviceId) ?? subject.alert)
          : { alertId: opening, periodFrom: judging.now };
      return checkAfter({ ...subject, alert }, judging, maintenance);
    }),
  );
}

/** Overdue, or with a failure report that a maintenance window has kept from opening an alert. */
function isFailing(subject: Subject, judging: Judging): boolean {
  if (!subject.active || subject.alert !== null) return false;
  return subject.vitality.failureUncleared || deadlineOf(subject, judging).overdueAt < judging.asOf;
}

function deadlineOf({ expectation, vitality }: Subject, { outages }: Judging) {
  return deadline(expectation, vitality.signs, outages);
}

/** @returns the new alerts, by service. */
async function openUnlessHeld(
  tx: Transaction,
  context: AlertContext,
  failing: readonly Subject[],
  judging: Judging,
  { holdOf }: Maintenance,
): Promise<Map<number, number>> {
  tellHeld(
    tx,
    context,
    failing.flatMap(({ serviceId, heldBy }) => {
      const hold = holdOf(serviceId);
      return hold === undefined || hold.windowId === heldBy ? [] : [{ serviceId, hold, runId: null }];
    }),
  );
  const free = failing.filter(({ serviceId }) => holdOf(serviceId) === undefined);
  const reported = free.filter(({ vitality }) => vitality.failureUncleared);
  const reports = await takeReports(
    tx,
    reported.map(({ serviceId }) => serviceId),
  );
  return openAlerts(
    tx,
    context,
    free.map((subject) =>
      subject.vitality.failureUncleared
        ? reportedOpening(subject, reports.get(subject.serviceId), judging)
        : missedOpening(subject, judging),
    ),
  );
}

function missedOpening(subject: Subject, judging: Judging) {
  const { serviceId, expectation, vitality } = subject;
  // Of the period that was missed: it begins with the sign of life that the deadline counts from.
  const signs = vitality.signs.slice(expectation.threshold - 1);
  return {
    serviceId,
    kind: 'service' as const,
    reason: 'missed_heartbeat' as const,
    runId: null,
    at: judging.now,
    dueAt: deadlineOf(subject, judging).overdueAt,
    outageSeconds: outageSeconds(expectation.monitoringSince, signs, judging),
    report: null,
  };
}

function reportedOpening({ serviceId, vitality }: Subject, report: HeldReport | undefined, { now }: Judging) {
  const { status, runId, message } = report ?? { status: vitality.lastStatus, runId: null, message: null };
  const jobFailed = status === 'FAILED';
  return {
    serviceId,
    kind: 'service' as const,
    reason: jobFailed ? ('job_failed' as const) : ('reported_down' as const),
    runId: jobFailed ? runId : null,
    at: now,
    dueAt: null,
    outageSeconds: 0,
    report: { message, runId },
  };
}

/** The periods that a failing service has missed since its alert was last counted. */
interface Missed extends Subject {
  alert: { alertId: number; periodFrom: Date };
  periods: { count: number; from: Date };
}

function missedBy(subject: Subject, { asOf, outages }: Judging): Missed[] {
  const { alert, active, expectation, vitality } = subject;
  if (alert === null || !active) return [];
  const periods = missedPeriods(expectation, alert.periodFrom, asOf, vitality.signs, outages);
  return periods.count === 0 ? [] : [{ ...subject, alert, periods }];
}

/** @returns where the running periods of the alerts that were dealt with began, by service. */
async function countOutside(
  tx: Transaction,
  context: AlertContext,
  missed: readonly Missed[],
  judging: Judging,
  { holdOf, coveredSince }: Maintenance,
): Promise<Map<number, { alertId: number; periodFrom: Date }>> {
  const judged = missed
    .map(({ serviceId, alert, periods, expectation, vitality: { signs } }) => {
      const { alertId, periodFrom } = alert;
      const spans = coveredSince(serviceId, periodFrom);
      const by =
        spans.length === 0
          ? periods.count
          : missedOutside(expectation, periodFrom, judging.asOf, { signs, outages: judging.outages, spans });
      return { serviceId, alertId, by, periodFrom: periods.from };
    })
    // What fell due before a maintenance window is counted when that has ended.
    .filter(({ serviceId, by }) => by === 0 || holdOf(serviceId) === undefined);
  await passOver(
    tx,
    judged.filter(({ by }) => by === 0),
  );
  await countFailures(
    tx,
    context,
    judged.filter(({ by }) => by > 0).map((one) => ({ ...one, at: judging.now, report: null })),
  );
  return new Map(judged.map(({ serviceId, alertId, periodFrom }) => [serviceId, { alertId, periodFrom }]));
}

function checkAfter(subject: Subject, judging: Judging, { holdOf }: Maintenance): Check {
  const { serviceId, expectation, vitality, alert } = subject;
  if (!subject.active) return noCheck(serviceId);
  const watched = { serviceId, expectation, signs: vitality.signs, alert };
  const hold = holdOf(serviceId);
  if (hold !== undefined && isFailing(subject, judging)) {
    return heldCheckOf(watched, hold, judging.asOf, judging.outages);
  }
  const check = nextCheckOf(watched, judging.asOf, judging.outages);
  const isWaiting = hold !== undefined && missedBy(subject, judging).length > 0;
  return isWaiting ? { ...check, checkAt: hold.until, heldBy: hold.windowId } : check;
}

function earliest(now: Date, missed: readonly Missed[]): Date {
  return new Date(Math.min(now.getTime(), ...missed.map(({ alert }) => alert.periodFrom.getTime())));
}
