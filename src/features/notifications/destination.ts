/**
 * Destinations that refuse messages for good: a webhook that answers 401, 404 or 410, a Slack channel that is archived,
 * a PagerDuty key that does not exist. While one is known to, reminders to it are not sent but for a probe now and
 * then; everything else, and so the opening of each alert, is attempted once: a wrong guess loses no page.
 * In: final results of deliveries. Out: rows of destinations, reminders that are skipped with a reason.
 * Crash: the state is in the transaction of the result; a probe that is lost is made again after its wait.
 */
import type { Database, DatabasePool, Transaction } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { Outcome } from './channels/channel.ts';
import { wakeNext } from './outbox.ts';
import * as store from './store.ts';
import * as states from './store-destinations.ts';

/** A destination that refuses messages is sent one reminder in this time. */
const PROBE_EVERY_MS = 5 * 60_000;
const HELD_BACK = 'destination failing permanently';

/** What a final result says about its destination, in the transaction of that result. */
export async function learn(
  tx: Transaction,
  log: Logger,
  attempt: Pick<store.Attempt, 'lane' | 'channel' | 'destination' | 'failing'>,
  outcome: Outcome,
  now: Date,
): Promise<void> {
  const { channel, destination, lane } = attempt;
  const tell = named(log, 'notifications');
  if (outcome.kind === 'sent') {
    if (attempt.failing && (await states.forgetFailing(tx, lane))) {
      tx.afterCommit(() => tell.info({ channel, destination }, 'a destination takes messages again'));
    }
    return;
  }
  if (outcome.permanent !== true) return;
  const next = new Date(now.getTime() + PROBE_EVERY_MS);
  if (await states.recordFailing(tx, attempt, outcome, now, next)) {
    const reason = outcome.error;
    tx.afterCommit(() =>
      tell.warn({ channel, destination, reason }, 'a destination refuses messages for good'),
    );
  }
}

/**
 * What becomes of a notification that was not begun because its destination refuses messages.
 * @returns `probe`: it is to be attempted after all; `skipped`: it is final; undefined: it is not held back
 */
export async function holdBack(
  db: DatabasePool,
  deliveryId: string,
  now: Date,
): Promise<'probe' | 'skipped' | undefined> {
  const held = await states.heldBack(db, deliveryId);
  if (held === undefined) return undefined;
  if (await states.takeProbe(db, held.lane, now, new Date(now.getTime() + PROBE_EVERY_MS))) return 'probe';
  await db.transaction(async (tx) => {
    await store.lockAlertOf(tx, held.alert_id);
    if (!(await states.skipReminder(tx, deliveryId, HELD_BACK))) return;
    await wakeNext(tx, held, now);
  });
  return 'skipped';
}

/** Its configuration has changed: what was known of it is no longer true. */
export function forgetDestination(
  db: Database,
  of: { webhookId: number } | { targetId: number },
): Promise<void> {
  return states.forgetFailingOf(db, of);
}
