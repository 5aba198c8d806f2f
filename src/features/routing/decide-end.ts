import type { AlertFacts } from '../notifications/facts.ts';
import { type Decision, send, skip } from './decision.ts';
import type { Webhook } from './destination.ts';
import { distinct, type Earlier, isSame, wasTold } from './earlier.ts';

/** Channels that machines listen to: they hear of the end also while people are not to be disturbed. */
const MACHINES: ReadonlySet<string> = new Set(['pagerduty', 'webhook']);

/**
 * The end of an alert is told wherever an opening or reminder of it was sent, whatever the routes say now
 * (spec 03 section 5). A muted service stays quiet, apart from machines; a disabled webhook is not sent
 * (spec 04 section 9).
 */
export function endOf(
  event: AlertFacts['event'],
  { earlier, muted }: { earlier: readonly Earlier[]; muted: boolean },
  webhooks: readonly Webhook[],
): Decision[] {
  const told = distinct(earlier.filter((one) => wasTold(one) || wasWithdrawn(one)));
  const ends = told.map((one): Decision => {
    if (one.channel === 'pagerduty') return endIncident(one, event, earlier);
    if (muted && !MACHINES.has(one.channel)) return skip(one, event, 'muted');
    const disabled = webhooks.some(({ webhookId, enabled }) => webhookId === one.webhookId && !enabled);
    return disabled ? skip(one, event, 'disabled') : send(one, event);
  });
  const strangers = webhooks.filter(
    (webhook) => !told.some(({ webhookId }) => webhookId === webhook.webhookId),
  );
  return [...ends, ...strangers.map((webhook) => skip(webhook, event, 'not_told_before'))];
}

/** An incident that was attempted is resolved; for one that was not, trigger and resolve are both cancelled. */
function endIncident(trigger: Earlier, event: string, earlier: readonly Earlier[]): Decision {
  const attempted = earlier.some((one) => isSame(one, trigger) && one.event === 'opened' && one.attempts > 0);
  if (attempted) return send(trigger, event);
  return { ...send(trigger, event), outcome: 'cancel', reason: 'never_attempted' };
}

/** A PagerDuty trigger that was cancelled before it was attempted; of several, others took its place. */
function wasWithdrawn({ channel, event, status, attempts, chained }: Earlier): boolean {
  const trigger = channel === 'pagerduty' && event === 'opened' && status === 'cancelled';
  return trigger && attempts === 0 && !chained;
}
