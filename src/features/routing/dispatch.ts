import { randomUUID } from 'node:crypto';
import type { Database, Transaction } from '../../platform/db.ts';
import { named } from '../../platform/logging.ts';
import type { AlertFacts } from '../notifications/facts.ts';
import { cancelObsolete, chainsOf, historyOf, openingsOf } from '../notifications/history.ts';
import { enqueue, type NewNotification, type OutboxContext } from '../notifications/outbox.ts';
import { type CandidateContext, candidatesOf, identityOf } from './candidates.ts';
import { decide, type Verdict } from './decide.ts';
import { type Decision, REASONS, type Reason } from './decision.ts';
import type { Earlier } from './earlier.ts';

export type RoutingContext = CandidateContext & OutboxContext;

/** Something that happens to an alert, and that people may be told of. */
export interface Occurrence {
  alertId: number;
  at: Date;
  muted: boolean;
  /** Why it is announced to nobody; null: it is announced. */
  suppressed: Reason | null;
  facts: { event: AlertFacts['event']; service: { service_id: number } };
}

export interface Change extends Occurrence {
  facts: AlertFacts;
}

export interface Announcement extends Change, Verdict {
  alertEventId: number;
}

const ENDS: ReadonlySet<AlertFacts['event']> = new Set(['recovered', 'closed']);
const GOES_ON: ReadonlySet<AlertFacts['event']> = new Set(['reminder', 'acknowledged']);
/** What is left out for these reasons has a record among the deliveries, once for each alert. */
const RECORDED: ReadonlySet<Reason> = new Set(['disabled', 'duplicate', 'not_configured']);

/**
 * Decides who is told about changes of alerts.
 * In: changes of alerts, and what was written about them before. Out: a verdict for each, in their order; messages
 * that the end of an alert makes needless are cancelled.
 * Crash: all of it is in the transaction of the change.
 */
export async function decideAll(
  tx: Transaction,
  context: CandidateContext,
  changes: readonly Change[],
): Promise<Verdict[]> {
  await cancelObsolete(tx, idsOf(changes.filter(isEnd)));
  return weigh(tx, context, changes);
}

/** Decides who would be told, and changes nothing. @returns a verdict for each, in their order. */
export async function weigh(
  db: Database,
  context: CandidateContext,
  changes: readonly Occurrence[],
): Promise<Verdict[]> {
  if (changes.length === 0) return [];
  const ended = idsOf(changes.filter(isEnd));
  const announced = changes.filter(({ suppressed }) => suppressed === null);
  const goOn = idsOf(announced.filter(({ facts }) => GOES_ON.has(facts.event)));
  // Only the end of an alert asks for its reminders, of which a forgotten one has one for every period.
  const earlier = new Map([...(await openingsOf(db, goOn)), ...(await historyOf(db, ended))]);
  const chains = await chainsOf(db, goOn);
  const routesAt = await candidatesOf(
    db,
    context,
    changes.map(({ facts }) => facts.service.service_id),
  );
  return changes.map(({ alertId, at, muted, suppressed, facts }) =>
    decide(
      {
        event: facts.event,
        muted,
        suppressed,
        earlier: (earlier.get(alertId) ?? []).map(
          ({ target_id: targetId, webhook_id: webhookId, address, ...row }): Earlier => ({
            ...row,
            address,
            identity: identityOf(address),
            targetId,
            webhookId,
          }),
        ),
        told: chains.get(alertId)?.told ?? null,
        trying: chains.get(alertId)?.trying ?? false,
      },
      routesAt(facts.service.service_id, at),
    ),
  );
}

/**
 * Puts the messages that were decided on into the outbox.
 * In: alert events with their verdicts. Out: a notification for each destination that is told, or would have been.
 * Crash: all of it is in the transaction of the change.
 */
export async function dispatch(
  tx: Transaction,
  context: RoutingContext,
  announcements: readonly Announcement[],
): Promise<void> {
  const [first] = announcements;
  if (first === undefined) return;
  await enqueue(tx, context, announcements.flatMap(notificationsOf), first.at);
  const quiet = announcements.filter((one) => one.quiet && one.suppressed === null);
  tx.afterCommit(() => {
    for (const { alertId, facts } of quiet) {
      named(context.log, 'routing').info(
        { alert_id: alertId, service_id: facts.service.service_id, event: facts.event },
        'no target is for this period: deliberately quiet',
      );
    }
  });
}

function notificationsOf(announcement: Announcement): NewNotification[] {
  const { alertId, alertEventId, decisions, facts, quiet, suppressed } = announcement;
  const opening = facts.event === 'opened' && suppressed === null;
  const of = { alertId, alertEventId };
  const chain = chainIn(decisions);
  const rows = decisions.flatMap((one): NewNotification[] => {
    const { channel, event, destination, address, targetId, webhookId, outcome, reason, note } = one;
    if (outcome === 'skip' && !(opening && RECORDED.has(reason))) return [];
    const status = outcome === 'skip' ? 'skipped' : outcome === 'cancel' ? 'cancelled' : 'pending';
    const error = outcome === 'skip' ? (note ?? reason) : outcome === 'cancel' ? REASONS[reason] : null;
    const place = { channel, event, destination, address, targetId, webhookId };
    return [{ ...of, ...place, status, error, chain: chain(one) }];
  });
  if (!quiet || !opening) return rows;
  const nobody = { channel: 'none', event: 'opened', destination: 'nobody', address: {} };
  return [...rows, { ...of, ...nobody, status: 'skipped', error: 'no target is for this period' }];
}

/** Of those of which one is enough, the place of each in their order. */
function chainIn(decisions: readonly Decision[]): (one: Decision) => { id: string; position: number } | null {
  if (!decisions.some(({ chained }) => chained)) return () => null;
  const id = randomUUID();
  const members = decisions.filter(
    (one) => one.chained && (one.outcome === 'send' || one.outcome === 'wait'),
  );
  return (one) => {
    const index = members.indexOf(one);
    return index === -1 ? null : { id, position: index + 1 };
  };
}

function isEnd({ facts }: Occurrence): boolean {
  return ENDS.has(facts.event);
}

function idsOf(changes: readonly Occurrence[]): number[] {
  return changes.map(({ alertId }) => alertId);
}
