import type { Address } from '../notifications/channels/channel.ts';
import type { AlertFacts } from '../notifications/facts.ts';

/** The destinations of services that have no targets of their own, from the environment (spec 04 section 2). */
export interface DefaultRoute {
  slackToken: string | undefined;
  slackChannel: string | undefined;
  pagerDutyKey: string | undefined;
}

/** What was written about an alert before, oldest first. */
export interface Earlier {
  channel: string;
  event: string;
  destination: string;
  address: Address;
  /** Equal for equal addresses. */
  identity: string;
  status: string;
  attempts: number;
}

export interface Occasion {
  event: AlertFacts['event'];
  muted: boolean;
  earlier: readonly Earlier[];
}

/** One destination, and whether it is told; `reason` names why not. */
export interface Decision {
  channel: string;
  event: string;
  destination: string;
  address: Address;
  status: 'pending' | 'skipped' | 'cancelled';
  reason: string | null;
}

/** Who is told about a change of an alert (spec 03 sections 4, 5, 8 and 9; spec 04 sections 1 and 2). */
export function decide(occasion: Occasion, route: DefaultRoute): Decision[] {
  switch (occasion.event) {
    case 'opened':
      return [openSlack(route), openPagerDuty(route)];
    case 'reminder':
      return remind(occasion, route);
    case 'acknowledged':
      return incidents(occasion)
        .filter(({ status }) => status !== 'failed')
        .map((incident) => send(incident, 'acknowledged'));
    case 'recovered':
    case 'closed':
      return [...endSlack(occasion), ...endPagerDuty(occasion)];
  }
}

function openSlack({ slackToken, slackChannel }: DefaultRoute): Decision {
  const missing =
    slackToken === undefined
      ? 'no Slack token is configured'
      : slackChannel === undefined
        ? 'no Slack channel is configured'
        : null;
  return {
    channel: 'slack',
    event: 'opened',
    destination: slackChannel ?? 'default',
    address: { channel_id: slackChannel ?? '' },
    status: missing === null ? 'pending' : 'skipped',
    reason: missing,
  };
}

function openPagerDuty({ pagerDutyKey }: DefaultRoute): Decision {
  const usable = isRoutingKey(pagerDutyKey);
  return {
    channel: 'pagerduty',
    event: 'opened',
    destination: 'default',
    address: { routing_key: usable ? pagerDutyKey : '' },
    status: usable ? 'pending' : 'skipped',
    reason: usable ? null : 'no PagerDuty routing key is configured',
  };
}

/** An empty key, or one that reads NULL, is never sent (spec 04 section 7). */
function isRoutingKey(key: string | undefined): key is string {
  return key !== undefined && key.trim() !== '' && key.trim().toUpperCase() !== 'NULL';
}

/** Slack is reminded; PagerDuty is only told again when it never accepted the trigger and none is on its way. */
function remind(occasion: Occasion, route: DefaultRoute): Decision[] {
  const slack = openSlack(route);
  const incident = incidents(occasion).some(({ status }) => status !== 'failed');
  const decisions = [{ ...slack, event: 'reminder' }, ...(incident ? [] : [openPagerDuty(route)])];
  // What is not configured was recorded at the opening; repeating it with every reminder says nothing new.
  return decisions.filter(({ status }) => status === 'pending');
}

/** PagerDuty triggers of the alert that were sent or may still be. */
function incidents({ earlier }: Occasion): Earlier[] {
  return earlier.filter(
    ({ channel, event, status }) =>
      channel === 'pagerduty' && event === 'opened' && status !== 'skipped' && status !== 'cancelled',
  );
}

/** The end is told wherever the beginning was, whatever the routes say now; a muted service stays quiet. */
function endSlack(occasion: Occasion): Decision[] {
  if (occasion.muted) return [];
  const told = occasion.earlier.filter(
    ({ channel, event, status }) =>
      channel === 'slack' && (event === 'opened' || event === 'reminder') && status !== 'skipped',
  );
  const reached = told.filter(({ event, status }) => event === 'opened' || status !== 'cancelled');
  return distinct(reached).map((destination) => send(destination, occasion.event));
}

/** Every incident that was attempted is resolved; for one that was not, trigger and resolve are both cancelled. */
function endPagerDuty(occasion: Occasion): Decision[] {
  const triggers = occasion.earlier.filter(
    ({ channel, event, status }) => channel === 'pagerduty' && event === 'opened' && status !== 'skipped',
  );
  return distinct(triggers).map((trigger) => {
    const attempted = triggers.some((other) => isSame(other, trigger) && other.attempts > 0);
    if (attempted) return send(trigger, occasion.event);
    const reason = 'the alert closed before its trigger was attempted';
    return { ...send(trigger, occasion.event), status: 'cancelled' as const, reason };
  });
}

function send({ channel, destination, address }: Earlier, event: string): Decision {
  return { channel, event, destination, address, status: 'pending', reason: null };
}

function distinct(earlier: readonly Earlier[]): Earlier[] {
  return earlier.filter((one, index) => !earlier.slice(0, index).some((other) => isSame(other, one)));
}

function isSame(one: Earlier, other: Earlier): boolean {
  return one.destination === other.destination && one.identity === other.identity;
}
