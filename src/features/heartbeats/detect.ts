import type { Clock } from '../../platform/clock.ts';
import { type DatabasePool, isUnavailable, type Transaction } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { AlertContext } from '../alerts/context.ts';
import { countFailures } from '../alerts/count.ts';
import { openAlerts } from '../alerts/open.ts';
import { deadline, missedPeriods, nextPeriod } from './expectation.ts';
import type { HeartbeatMetrics } from './metrics.ts';
import type { Check, Subject } from './store.ts';
import * as store from './store.ts';

/** Services of one transaction. */
const BATCH = 500;
/** A row that cannot be judged is looked at again after this long, so that it is never retried hot (G7). */
const POISON_DELAY_MS = 60_000;
/**
 * A sign that arrived in time may still be on its way through its commit when the deadline passes. Judging this
 * much later lets it land, so that it is never answered with a false alert.
 */
export const SETTLING_MS = 100;

export interface DetectContext extends AlertContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
  heartbeatMetrics: HeartbeatMetrics;
}

/**
 * Judges every service whose check is due.
 * In: service_state rows with `check_at <= now`, claimed with `skip locked`. Out: alerts opened or counted, and
 * `check_at` moved to the next instant that matters.
 * Crash: a claim is a row lock, gone with its transaction; the row is still due for the next round.
 * @returns how many services were looked at.
 */
export async function detectDue(context: DetectContext): Promise<number> {
  let checked = 0;
  for (;;) {
    const now = context.clock.now();
    const batch = await judgeBatch(context, now);
    checked += batch;
    if (batch < BATCH) break;
  }
  context.heartbeatMetrics.servicesChecked.inc(checked);
  return checked;
}

async function judgeBatch(context: DetectContext, now: Date): Promise<number> {
  const asOf = new Date(now.getTime() - SETTLING_MS);
  let claimed: number[] = [];
  try {
    await context.db.transaction(async (tx) => {
      claimed = await store.lockDue(tx, asOf, BATCH);
      await judge(tx, context, await store.subjects(tx, claimed), now);
    });
  } catch (error) {
    if (isUnavailable(error) || claimed.length === 0) throw error;
    await judgeOneByOne(context, claimed, now);
  }
  return claimed.length;
}

/** After a refused batch: each service in its own transaction, so that only the broken one is left behind. */
async function judgeOneByOne(
  context: DetectContext,
  serviceIds: readonly number[],
  now: Date,
): Promise<void> {
  for (const serviceId of serviceIds) {
    try {
      await context.db.transaction(async (tx) => {
        if (!(await store.lockById(tx, serviceId))) return;
        const due = (await store.subjects(tx, [serviceId])).filter(
          ({ checkAt }) => checkAt !== null && checkAt <= now,
        );
        await judge(tx, context, due, now);
      });
    } catch (error) {
      if (isUnavailable(error)) throw error;
      named(context.log, 'detect').error(
        { service_id: serviceId, exception: error },
        'a service could not be judged',
      );
      const later = new Date(now.getTime() + POISON_DELAY_MS);
      await store.postpone(context.db, serviceId, later);
    }
  }
}

async function judge(
  tx: Transaction,
  context: DetectContext,
  subjects: readonly Subject[],
  now: Date,
): Promise<void> {
  const asOf = new Date(now.getTime() - SETTLING_MS);
  const failing = subjects.filter((subject) => subject.alert !== null);
  const overdue = subjects.filter((subject) => isOverdue(subject, asOf));
  const opened = await openAlerts(
    tx,
    context,
    overdue.map((subject) => ({
      serviceId: subject.serviceId,
      reason: 'missed_heartbeat' as const,
      at: now,
      dueAt: deadline(subject.expectation, subject.vitality.signs).overdueAt,
      report: null,
    })),
  );
  await countFailures(
    tx,
    context,
    failing.flatMap((subject) => {
      const missed = missedPeriodsOf(subject, asOf);
      return subject.alert === null || missed.count === 0
        ? []
        : [
            {
              alertId: subject.alert.alertId,
              by: missed.count,
              at: now,
              periodFrom: missed.from,
              report: null,
            },
          ];
    }),
  );
  await store.saveChecks(
    tx,
    subjects.map((subject) => nextCheckOf(subject, opened.get(subject.serviceId), now, asOf)),
  );
}

function isOverdue(subject: Subject, asOf: Date): boolean {
  return (
    subject.active &&
    subject.alert === null &&
    deadline(subject.expectation, subject.vitality.signs).overdueAt < asOf
  );
}

function missedPeriodsOf(subject: Subject, asOf: Date) {
  return missedPeriods(subject.expectation, subject.alert?.periodFrom ?? asOf, asOf);
}

function nextCheckOf(subject: Subject, opened: number | undefined, now: Date, asOf: Date): Check {
  const { serviceId, expectation } = subject;
  if (!subject.active) return { serviceId, checkAt: null, alertId: null };
  if (opened !== undefined) return { serviceId, checkAt: nextPeriod(expectation, now), alertId: opened };
  if (subject.alert !== null) {
    const { from } = missedPeriodsOf(subject, asOf);
    return { serviceId, checkAt: nextPeriod(expectation, from), alertId: subject.alert.alertId };
  }
  return { serviceId, checkAt: deadline(expectation, subject.vitality.signs).overdueAt, alertId: null };
}

/** When the next service is due, or null. */
export const nextCheck = store.nextCheck;
