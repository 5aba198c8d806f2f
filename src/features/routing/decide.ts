import type { AlertFacts } from '../notifications/facts.ts';
import { endOf } from './decide-end.ts';
import { type Decision, type Place, type Reason, send, skip, withheld } from './decision.ts';
import type { DefaultRoute, Target, Webhook } from './destination.ts';
import { distinct, type Earlier, isIncident, isSame, wasTold } from './earlier.ts';

/** Who could be told about a service. */
export interface Routes {
  defaultRoute: DefaultRoute;
  mode: 'notify_all' | 'notify_until_success';
  /** The instant lies in the working hours of the service; one without schedule has no others. */
  duringHours: boolean;
  /** By priority, then id. */
  targets: readonly Target[];
  /** By id. */
  webhooks: readonly Webhook[];
}

export interface Occasion {
  event: AlertFacts['event'];
  muted: boolean;
  /** Why this change is announced to nobody; null: it is announced. */
  suppressed: Reason | null;
  earlier: readonly Earlier[];
  /** Of `notify_until_success`: the target that took a message of this alert last, and whether one still looks for one. */
  told: number | null;
  trying: boolean;
}

export interface Verdict {
  decisions: Decision[];
  /** The service has targets, and none of them is for this period: deliberately nobody but webhooks is told. */
  quiet: boolean;
  duringHours: boolean;
}

/**
 * Who is told about a change of an alert, and why not: a decision for every destination that the service has
 * (spec 03 sections 4, 5, 8 and 9; spec 04 sections 1, 2 and 4).
 */
export function decide(occasion: Occasion, routes: Routes): Verdict {
  const { event, suppressed } = occasion;
  const { duringHours } = routes;
  if (event === 'recovered' || event === 'closed') {
    return { decisions: endOf(event, occasion, routes.webhooks), quiet: false, duringHours };
  }
  const people = event === 'acknowledged' ? acknowledge(occasion) : tell(occasion, routes);
  const machines = routes.webhooks.map((webhook) => toWebhook(webhook, event));
  const decisions = [...machines, ...people];
  return {
    decisions: suppressed === null ? decisions : withheld(decisions, suppressed),
    quiet: event !== 'acknowledged' && isQuiet(routes),
    duringHours,
  };
}

/** Step 1: every enabled webhook gets every event. */
function toWebhook(webhook: Webhook, event: string): Decision {
  if (!webhook.enabled) return skip(webhook, event, 'disabled');
  return send(webhook, event);
}

/** Steps 2 and 3: the targets of the period, or the default route. */
function tell(occasion: Occasion, routes: Routes): Decision[] {
  const { targets, mode, defaultRoute } = routes;
  const left = targets.flatMap((target) => {
    const reason = unfit(target, routes.duringHours);
    return reason === null ? [] : [skip(target, occasion.event, reason, target.unavailable)];
  });
  if (!targets.some(({ enabled }) => enabled)) {
    return [...left, ...byDefault(defaultRoute).map((one) => toDefault(one, occasion))];
  }
  const unused = byDefault(defaultRoute)
    .filter(({ missing }) => missing === null)
    .map(({ place }) => skip(place, occasion.event, 'service_has_targets'));
  const fitting = targets.filter((target) => unfit(target, routes.duringHours) === null);
  const told =
    mode === 'notify_all'
      ? uniquely(fitting.map((one) => toPlace(one, occasion)))
      : untilOne(fitting, occasion);
  return [...told, ...left, ...unused];
}

/** Why a target is not told now, or null. */
function unfit({ enabled, period, unavailable }: Target, duringHours: boolean): Reason | null {
  if (!enabled) return 'disabled';
  if (period === 'during_hours' && !duringHours) return 'outside_hours';
  if (period === 'after_hours' && duringHours) return 'only_after_hours';
  return unavailable === undefined ? null : 'not_configured';
}

function isQuiet({ targets, duringHours }: Routes): boolean {
  const enabled = targets.filter((target) => target.enabled);
  const outOfPeriod: (Reason | null)[] = ['outside_hours', 'only_after_hours'];
  return enabled.length > 0 && enabled.every((target) => outOfPeriod.includes(unfit(target, duringHours)));
}

/** PagerDuty is only triggered again when it never accepted a trigger and none is on its way (spec 03 section 4). */
function toPlace(place: Place, occasion: Occasion): Decision {
  if (place.channel !== 'pagerduty') return send(place, occasion.event);
  if (occasion.event === 'reminder' && hasIncident(occasion)) return skip(place, 'reminder', 'incident_open');
  return send(place, 'opened');
}

/** Those of which one is enough, in their order: the one that took the last message first (spec 04 section 4). */
function untilOne(fitting: readonly Target[], occasion: Occasion): Decision[] {
  const reminding = occasion.event === 'reminder';
  if (reminding && occasion.trying) {
    return fitting.map((target) => skip(target, occasion.event, 'still_trying'));
  }
  const last = reminding ? fitting.find(({ targetId }) => targetId === occasion.told) : undefined;
  const order = last === undefined ? fitting : [last, ...fitting.filter((target) => target !== last)];
  // The incident of the target that was told last goes on: nobody else needs to hear of it.
  if (last?.channel === 'pagerduty') return order.map((one) => skip(one, occasion.event, 'incident_open'));
  const decisions = uniquely(order.map((target) => toPlace(target, occasion)));
  const first = decisions.findIndex(({ outcome }) => outcome === 'send');
  return decisions.map((one, index): Decision => {
    if (one.outcome !== 'send') return one;
    return index === first
      ? { ...one, chained: true }
      : { ...one, chained: true, outcome: 'wait', reason: 'fallback' };
  });
}

interface DefaultPlace {
  place: Place;
  missing: string | null;
}

function byDefault({ slackToken, slackChannel, pagerDutyKey }: DefaultRoute): DefaultPlace[] {
  const usable = isRoutingKey(pagerDutyKey);
  const key = usable ? pagerDutyKey : '';
  const none = { targetId: null, webhookId: null };
  const channel = { channel_id: slackChannel ?? '' };
  return [
    {
      place: {
        ...none,
        channel: 'slack',
        destination: slackChannel ?? 'default',
        address: channel,
        identity: '',
      },
      missing:
        slackToken === undefined
          ? 'no Slack token is configured'
          : slackChannel === undefined
            ? 'no Slack channel is configured'
            : null,
    },
    {
      place: {
        ...none,
        channel: 'pagerduty',
        destination: 'default',
        address: { routing_key: key },
        identity: '',
      },
      missing: usable ? null : 'no PagerDuty routing key is configured',
    },
  ];
}

/** An empty key, or one that reads NULL, is never sent (spec 04 section 7). */
function isRoutingKey(key: string | undefined): key is string {
  return key !== undefined && key.trim() !== '' && key.trim().toUpperCase() !== 'NULL';
}

function toDefault({ place, missing }: DefaultPlace, occasion: Occasion): Decision {
  return missing === null ? toPlace(place, occasion) : skip(place, occasion.event, 'not_configured', missing);
}

/** PagerDuty is told that somebody is on it where it has an incident; nobody else but webhooks is. */
function acknowledge(occasion: Occasion): Decision[] {
  const places = distinct(occasion.earlier.filter((one) => isIncident(one) || wasTold(one)));
  return places.map((place) => {
    if (place.channel === 'webhook' && place.webhookId === null) return send(place, 'acknowledged');
    if (place.channel !== 'pagerduty') return skip(place, 'acknowledged', 'not_for_this_event');
    const open = occasion.earlier.some(
      (one) => isSame(one, place) && isIncident(one) && one.status !== 'failed',
    );
    return open ? send(place, 'acknowledged') : skip(place, 'acknowledged', 'no_incident');
  });
}

function hasIncident({ earlier }: Occasion): boolean {
  return earlier.some((one) => isIncident(one) && one.status !== 'failed');
}

/**
 * Of several with the same address one is told. Webhooks are told all: each has headers, a secret and deliveries of its
 * own (spec 04 sections 2 and 9).
 */
function uniquely(decisions: readonly Decision[]): Decision[] {
  const seen = new Set<string>();
  return decisions.map((one) => {
    if (one.outcome !== 'send' || one.identity === '' || one.channel === 'webhook') return one;
    const alike = `${one.channel} ${one.identity}`;
    if (seen.has(alike)) return skip(one, one.event, 'duplicate');
    seen.add(alike);
    return one;
  });
}
