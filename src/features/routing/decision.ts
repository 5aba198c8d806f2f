/** Why a destination is told about a change of an alert, or why it is not; the one list of them. */
export const REASONS = {
  sent: 'it is told',
  fallback: 'it is told when those before it fail (notify_until_success)',
  outside_hours: 'the target is for working hours, and the schedule says that there are none now',
  only_after_hours: 'the target is for after hours, and these are working hours',
  disabled: 'the target or webhook is disabled',
  duplicate: 'another destination of this service has the same address and is told',
  not_configured: 'a token, channel or key is missing, or its stored credentials cannot be read',
  service_has_targets: 'the default route is for services without enabled targets',
  incident_open: 'PagerDuty has the incident and repeats it by itself',
  no_incident: 'PagerDuty has no incident of this alert',
  still_trying: 'an earlier message of this alert is still looking for a target that takes it',
  not_for_this_event: 'messages of this kind do not go to this channel',
  not_told_before: 'it never heard of this alert',
  never_attempted: 'the alert closed before its trigger was attempted',
  muted: 'the service is muted',
  acknowledged: 'somebody has acknowledged the alert',
  too_soon: 'the reminder before was sent a moment ago',
  in_maintenance: 'a maintenance window covers the service: nothing opens and nothing is counted',
} as const;
export type Reason = keyof typeof REASONS;

/** `wait`: told when those before it fail. `cancel`: an incident that never began needs no end. */
export const OUTCOMES = ['send', 'wait', 'skip', 'cancel'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Where messages go. */
export interface Place {
  channel: string;
  /** Free of credentials. */
  destination: string;
  address: Readonly<Record<string, unknown>>;
  /** Equal for equal addresses. */
  identity: string;
  /** The target or webhook that it is, or was; both null: the default route. */
  targetId: number | null;
  webhookId: number | null;
}

/** One destination that was considered, and what became of it. */
export interface Decision extends Place {
  /** Of the message: a new PagerDuty trigger is an opening, also when others are reminded. */
  event: string;
  outcome: Outcome;
  reason: Reason;
  /** One of several of which one success is enough, in the order of the decisions. */
  chained?: true;
  /** What is missing, for people. */
  note?: string;
}

export function send(place: Place, event: string): Decision {
  return { ...placeOf(place), event, outcome: 'send', reason: 'sent' };
}

/** @param note what is missing, where the reason is that something is. */
export function skip(place: Place, event: string, reason: Reason, note?: string): Decision {
  const skipped: Decision = { ...placeOf(place), event, outcome: 'skip', reason };
  return note === undefined || reason !== 'not_configured' ? skipped : { ...skipped, note };
}

/** Nobody is told: what would have been sent has this reason instead. */
export function withheld(decisions: readonly Decision[], reason: Reason): Decision[] {
  return decisions.map((one) => (one.outcome === 'skip' ? one : { ...one, outcome: 'skip', reason }));
}

/** A decision as it is stored with the alert event. */
export interface StoredDecision {
  channel: string;
  destination: string;
  target_id: number | null;
  webhook_id: number | null;
  outcome: Outcome;
  reason: Reason;
  note?: string;
}

export function storedDecision(decision: Decision): StoredDecision {
  const {
    channel,
    destination,
    targetId: target_id,
    webhookId: webhook_id,
    outcome,
    reason,
    note,
  } = decision;
  const stored = { channel, destination, target_id, webhook_id, outcome, reason };
  return note === undefined ? stored : { ...stored, note };
}

function placeOf({ channel, destination, address, identity, targetId, webhookId }: Place): Place {
  return { channel, destination, address, identity, targetId, webhookId };
}
