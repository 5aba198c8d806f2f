import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { addJobs } from '../../platform/jobs.ts';
import { type Logger, named } from '../../platform/logging.ts';
import { goOn, passOn, resultInRound } from './chain.ts';
import { ATTEMPT_TIMEOUT_MS, type Outcome } from './channels/channel.ts';
import { holdBack, learn } from './destination.ts';
import { countFinal, type NotificationMetrics } from './metrics.ts';
import { deliverJob, wakeNext } from './outbox.ts';
import { type SendContext, send } from './send.ts';
import type { Attempt, AttemptResult } from './store.ts';
import * as store from './store.ts';

export interface DeliverContext extends SendContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
  notificationMetrics: NotificationMetrics;
  /** A number from 0 to 1 for the jitter of waits. */
  random: () => number;
}

/** Nobody else begins an attempt while one may still be under way; then its worker is taken for dead. */
const LEASE_MS = ATTEMPT_TIMEOUT_MS + 5_000;
/** Waits are lengthened by up to this share (spec 04 section 1). */
const JITTER = 0.1;
const STORED_RESPONSE_CHARACTERS = 4096;
/** A due notification without job is given a new one after this long. */
const STRANDED_AFTER_MS = 60_000;

/**
 * Makes one attempt to send one notification.
 * In: a pending or retrying notification. Out: the attempt and its result on the row; the job of the next attempt,
 * or of the next notification to the same destination.
 * Crash: before the result is recorded, the attempt is repeated under the same number, so a message may be sent
 * twice; it is never lost.
 */
export async function deliver(context: DeliverContext, deliveryId: string): Promise<void> {
  const attempt = await begin(context, deliveryId);
  if (attempt === undefined) return;
  const outcome = await send(context, attempt, { ...attempt, deliveryId });
  await record(context, attempt, outcome);
}

/** @returns undefined when nothing is to be sent now; whatever else was to be done about that is done. */
async function begin(context: DeliverContext, deliveryId: string): Promise<Attempt | undefined> {
  const { db, clock } = context;
  const now = clock.now();
  const leaseStart = new Date(now.getTime() - LEASE_MS);
  const attempt = await store.beginAttempt(db, deliveryId, now, leaseStart);
  if (attempt !== undefined) return attempt;
  if (
    !(await cancelOvertaken(db, deliveryId)) &&
    !(await endDisabled(context, deliveryId, now, leaseStart))
  ) {
    const held = await holdBack(db, deliveryId, now);
    if (held === 'probe') return store.beginAttempt(db, deliveryId, now, leaseStart, true);
    if (held === undefined) await comeBackAfterLease(context, deliveryId);
  }
  await goOn(context, deliveryId);
  return undefined;
}

/** A resolve that could not be delivered in time would end the incident of the next failure. */
async function cancelOvertaken(db: DatabasePool, deliveryId: string): Promise<boolean> {
  const alertId = await store.overtakenAlert(db, deliveryId);
  if (alertId === undefined) return false;
  await db.transaction(async (tx) => {
    await store.lockAlertOf(tx, alertId);
    await store.cancelOvertaken(tx, alertId);
  });
  return true;
}

/** Who disables a destination wants it left alone, also by the attempts that were still to come. */
async function endDisabled(
  { db, log, notificationMetrics }: DeliverContext,
  deliveryId: string,
  now: Date,
  leaseStart: Date,
): Promise<boolean> {
  const alertId = await store.disabledAlert(db, deliveryId);
  if (alertId === undefined) return false;
  return db.transaction(async (tx) => {
    await store.lockAlertOf(tx, alertId);
    const ended = await store.endDisabled(tx, deliveryId, leaseStart);
    if (ended === undefined) return false;
    await wakeNext(tx, ended, now);
    tx.afterCommit(() => {
      if (ended.status === 'failed') countFinal(notificationMetrics, ended);
      const facts = {
        alert_id: alertId,
        delivery_id: deliveryId,
        channel: ended.channel,
        event: ended.event,
      };
      named(log, 'notifications').info(facts, 'a notification is not sent: its destination was disabled');
    });
    return true;
  });
}

async function comeBackAfterLease({ db }: DeliverContext, deliveryId: string): Promise<void> {
  const running = await store.attemptInProgress(db, deliveryId);
  if (running === undefined) return;
  const leaseEnd = new Date(running.started_at.getTime() + LEASE_MS + 1);
  await addJobs(db, [deliverJob(running, leaseEnd)]);
}

async function record(context: DeliverContext, attempt: Attempt, outcome: Outcome): Promise<void> {
  const { db, clock, log, channels, random } = context;
  const now = clock.now();
  // To a destination that is known to refuse messages for good, one attempt is enough.
  const refused = attempt.failing && isPermanent(outcome);
  const waits = refused ? [] : (channels.get(attempt.channel)?.waitsSeconds ?? []);
  const single = resultOf(outcome, attempt.attempt, waits, now, random);
  const result = attempt.chain_id === null ? single : resultInRound(single, !refused);
  await db.transaction(async (tx) => {
    await (attempt.chain_id === null ? store.shareAlertOf : store.lockAlertOf)(tx, attempt.alert_id);
    if (!(await store.finishAttempt(tx, attempt, result, now))) return;
    if (result.nextAttemptAt !== null) {
      await addJobs(tx, [deliverJob(attempt, result.nextAttemptAt)]);
      return;
    }
    if (attempt.chain_id !== null) {
      await passOn(tx, context, { ...attempt, chain_id: attempt.chain_id }, outcome, now);
    }
    await learn(tx, log, attempt, outcome, now);
    if (result.status === 'retrying') return;
    await wakeNext(tx, attempt, now);
    tx.afterCommit(() => report(context, attempt, result));
  });
}

function isPermanent(outcome: Outcome): boolean {
  return outcome.kind !== 'sent' && outcome.permanent === true;
}

/** What an outcome means for the notification: final, or another attempt at an instant. */
export function resultOf(
  outcome: Outcome,
  attempt: number,
  waits: readonly number[],
  now: Date,
  random: () => number,
): AttemptResult {
  const body = outcome.body ?? null;
  const common = { code: outcome.code, body: body === null ? null : cut(body), reference: null };
  if (outcome.kind === 'sent') {
    const reference = outcome.reference ?? null;
    return { ...common, outcome: 'sent', status: 'success', nextAttemptAt: null, error: null, reference };
  }
  const wait = waits[attempt - 1];
  if (outcome.kind === 'failed' || wait === undefined) {
    return { ...common, outcome: outcome.kind, status: 'failed', nextAttemptAt: null, error: outcome.error };
  }
  const seconds = Math.max(wait * (1 + JITTER * random()), outcome.afterSeconds ?? 0);
  const nextAttemptAt = new Date(now.getTime() + seconds * 1000);
  return { ...common, outcome: 'retry', status: 'retrying', nextAttemptAt, error: outcome.error };
}

function report({ log, notificationMetrics }: DeliverContext, attempt: Attempt, result: AttemptResult): void {
  const { channel, event, alert_id, delivery_id } = attempt;
  const { status } = result;
  countFinal(notificationMetrics, { channel, event, status });
  if (status !== 'failed') return;
  named(log, 'notifications').error(
    { alert_id, delivery_id, channel, event, attempts: attempt.attempt, reason: result.error },
    'a notification could not be delivered',
  );
}

/** The first 4096 characters, without the NUL that PostgreSQL cannot store. */
function cut(body: string): string {
  const text = body.replaceAll('\0', '').toWellFormed();
  return text.length <= STORED_RESPONSE_CHARACTERS
    ? text
    : `${text.slice(0, STORED_RESPONSE_CHARACTERS).toWellFormed()}[truncated]`;
}

/**
 * Gives a new job to notifications that are due and have none. Jobs are added with their rows, so this finds
 * nothing unless the queue was tampered with.
 * @returns how many were found.
 */
export async function requeueStranded({ db, clock }: DeliverContext): Promise<number> {
  const now = clock.now();
  const rows = await store.stranded(db, new Date(now.getTime() - STRANDED_AFTER_MS));
  await addJobs(
    db,
    rows.map((row) => deliverJob(row, now)),
  );
  return rows.length;
}
