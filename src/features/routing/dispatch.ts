import type { Transaction } from '../../platform/db.ts';
import type { AlertFacts } from '../notifications/facts.ts';
import { cancelObsolete, historyOf } from '../notifications/history.ts';
import { enqueue } from '../notifications/outbox.ts';
import { type DefaultRoute, decide } from './decide.ts';

export interface RoutingContext {
  defaultRoute: DefaultRoute;
}

/** A change of an alert that people may be told of. */
export interface Announcement {
  alertId: number;
  alertEventId: number;
  at: Date;
  muted: boolean;
  facts: AlertFacts;
}

const ENDS: ReadonlySet<AlertFacts['event']> = new Set(['recovered', 'closed']);

/**
 * Decides who is told about changes of alerts.
 * In: alert events. Out: a notification for each destination, with the reason where it is not sent.
 * Crash: all of it is in the transaction of the change.
 */
export async function dispatch(
  tx: Transaction,
  context: RoutingContext,
  announcements: readonly Announcement[],
): Promise<void> {
  const [first] = announcements;
  if (first === undefined) return;
  const ended = announcements.filter(({ facts }) => ENDS.has(facts.event));
  await cancelObsolete(
    tx,
    ended.map(({ alertId }) => alertId),
  );
  const earlier = await historyOf(
    tx,
    announcements.filter(({ facts }) => facts.event !== 'opened').map(({ alertId }) => alertId),
  );
  const notifications = announcements.flatMap(({ alertId, alertEventId, facts, muted }) =>
    decide({ event: facts.event, muted, earlier: earlier.get(alertId) ?? [] }, context.defaultRoute).map(
      ({ reason, ...decision }) => ({ ...decision, alertId, alertEventId, error: reason }),
    ),
  );
  await enqueue(tx, notifications, first.at);
}
