import type { Transaction } from '../../platform/db.ts';
import type { AlertFacts } from '../notifications/facts.ts';
import { cancelObsolete, historyOf, openingsOf } from '../notifications/history.ts';
import { enqueue, type OutboxContext } from '../notifications/outbox.ts';
import { slackChannels } from './channels.ts';
import { type DefaultRoute, decide } from './decide.ts';

export interface RoutingContext extends OutboxContext {
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
const GOES_ON: ReadonlySet<AlertFacts['event']> = new Set(['reminder', 'acknowledged']);

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
  await cancelObsolete(tx, idsOf(ended));
  // Only the end of an alert asks for its reminders, of which a forgotten one has one for every period.
  const earlier = new Map([
    ...(await openingsOf(tx, idsOf(announcements.filter(({ facts }) => GOES_ON.has(facts.event))))),
    ...(await historyOf(tx, idsOf(ended))),
  ]);
  const { defaultRoute } = context;
  const teamChannels = await slackChannels(
    tx,
    announcements.map(({ facts }) => facts.service.service_id),
  );
  const notifications = announcements.flatMap(({ alertId, alertEventId, facts, muted }) => {
    const slackChannel = teamChannels.get(facts.service.service_id) ?? defaultRoute.slackChannel;
    const occasion = { event: facts.event, muted, earlier: earlier.get(alertId) ?? [] };
    return decide(occasion, { ...defaultRoute, slackChannel }).map(({ reason, ...decision }) => ({
      ...decision,
      alertId,
      alertEventId,
      error: reason,
    }));
  });
  await enqueue(tx, context, notifications, first.at);
}

function idsOf(announcements: readonly Announcement[]): number[] {
  return announcements.map(({ alertId }) => alertId);
}
