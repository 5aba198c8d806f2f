/**
 * Messages of which one is enough, `notify_until_success` (spec 04 section 4): a chain of notifications, of which it is
 * always the turn of one.
 * In: the result of whoever had the turn. Out: the turn of the next, with its job; or the end of the others.
 * Crash: the turn passes in the transaction of the result, so it is neither lost nor taken twice.
 */
import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool, Transaction } from '../../platform/db.ts';
import { addJobs } from '../../platform/jobs.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { Outcome } from './channels/channel.ts';
import { countFinal, type NotificationMetrics } from './metrics.ts';
import { deliverJob, wakeNext } from './outbox.ts';
import type { AttemptResult } from './store.ts';
import * as store from './store.ts';
import * as chains from './store-chains.ts';
import { nextTurn } from './turn.ts';

export interface ChainContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
  notificationMetrics: NotificationMetrics;
  random: () => number;
}

const JITTER = 0.1;
const NOT_NEEDED = 'another target was told';
const NEVER_TOLD = 'it was never told of the alert';

/** A failure that may pass leaves the message open for its turn in the next round. */
export function resultInRound(single: AttemptResult, mayPass: boolean): AttemptResult {
  const open = single.outcome === 'retry' && mayPass;
  return open ? { ...single, status: 'retrying', nextAttemptAt: null } : { ...single, nextAttemptAt: null };
}

/** After an attempt of one of them was recorded. The caller holds the alert. */
export async function passOn(
  tx: Transaction,
  context: ChainContext,
  had: { alert_id: number; chain_id: string; delivery_id: string },
  outcome: Outcome,
  now: Date,
): Promise<void> {
  if (outcome.kind === 'retry' && outcome.afterSeconds !== undefined) {
    await chains.leaveAlone(tx, had.delivery_id, new Date(now.getTime() + outcome.afterSeconds * 1000));
  }
  await giveTurn(tx, context, had, now);
}

/** When the one whose turn it was turns out to be final without an attempt: it was cancelled or skipped meanwhile. */
export async function goOn(context: ChainContext, deliveryId: string): Promise<void> {
  const chain = await chains.chainLeft(context.db, deliveryId);
  if (chain === undefined) return;
  await context.db.transaction(async (tx) => {
    await store.lockAlertOf(tx, chain.alert_id);
    await giveTurn(tx, context, chain, context.clock.now());
  });
}

async function giveTurn(
  tx: Transaction,
  context: ChainContext,
  { alert_id, chain_id }: { alert_id: number; chain_id: string },
  now: Date,
): Promise<void> {
  const members = await chains.membersOf(tx, chain_id);
  const turn = nextTurn(members, now, JITTER * context.random());
  if (turn.kind === 'over' || turn.kind === 'under_way') return;
  if (turn.kind === 'try') {
    const { delivery_id } = turn.member;
    await chains.takeTurn(tx, delivery_id, turn.round, turn.at);
    const { lane } = members.find((member) => member.delivery_id === delivery_id) as store.Queued;
    await addJobs(tx, [deliverJob({ delivery_id, lane }, turn.at)]);
    return;
  }
  const rest = await chains.finishRest(tx, chain_id, NOT_NEEDED);
  const untold = rest.filter(({ attempts }) => attempts === 0).map(({ lane }) => lane);
  await chains.cancelEnds(tx, alert_id, untold, NEVER_TOLD);
  for (const { lane } of rest) await wakeNext(tx, { alert_id, lane }, now);
  tx.afterCommit(() => report(context, rest, turn.kind === 'told'));
}

function report(
  { log, notificationMetrics }: ChainContext,
  rest: readonly chains.Finished[],
  told: boolean,
): void {
  for (const { channel, event, status, alert_id, delivery_id, attempts, error: reason } of rest) {
    if (status !== 'failed') continue;
    countFinal(notificationMetrics, { channel, event, status });
    const facts = { alert_id, delivery_id, channel, event, attempts, reason };
    const tell = named(log, 'notifications');
    if (told) tell.warn(facts, 'a notification could not be delivered, another target was told');
    else tell.error(facts, 'a notification could not be delivered');
  }
}
