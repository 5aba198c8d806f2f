/** The life of an alert (spec 03): `none` stands for "no active alert". */
export const ALERT_STATES = ['open', 'acknowledged', 'closed'] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/** What can happen to the alert of a service. */
export type AlertCause =
  /** The deadline passed, or a failure was reported, with no alert active. */
  | 'fail'
  /** A further period passed, or a further failure was reported. */
  | 'fail_again'
  | 'acknowledge'
  /** The service became healthy. */
  | 'recover'
  /** The service was deactivated or deleted. */
  | 'withdraw';

/** state × cause → state; null: refused, nothing changes. A closed alert is never reopened. */
export const TRANSITIONS: Record<AlertState | 'none', Record<AlertCause, AlertState | null>> = {
  none: { fail: 'open', fail_again: null, acknowledge: null, recover: null, withdraw: null },
  open: {
    fail: null,
    fail_again: 'open',
    acknowledge: 'acknowledged',
    recover: 'closed',
    withdraw: 'closed',
  },
  acknowledged: {
    fail: null,
    fail_again: 'acknowledged',
    acknowledge: null,
    recover: 'closed',
    withdraw: 'closed',
  },
  closed: { fail: null, fail_again: null, acknowledge: null, recover: null, withdraw: null },
};

/** The states in which a cause changes an alert: the guard of every update. */
export function statesThatAccept(cause: AlertCause): AlertState[] {
  return ALERT_STATES.filter((state) => TRANSITIONS[state][cause] !== null);
}

export const CLOSE_REASONS = [
  'recovered',
  'run_finished',
  'superseded',
  'resolved',
  'deactivated',
  'deleted',
] as const;
export type CloseReason = (typeof CLOSE_REASONS)[number];

export const ALERT_EVENTS = ['opened', 'reminder', 'acknowledged', 'recovered', 'closed'] as const;
export type AlertEvent = (typeof ALERT_EVENTS)[number];

export const SUPPRESSIONS = ['muted', 'acknowledged', 'too_soon'] as const;
export type Suppression = (typeof SUPPRESSIONS)[number];

export interface Circumstances {
  muted: boolean;
  acknowledged: boolean;
  /** The reminder is caused by a failure report, not by a period that passed. */
  byReport: boolean;
  /** Time since the newest opening or reminder was announced, in milliseconds; null: never. */
  sinceLastMessageMs: number | null;
  /** Least distance of reminders caused by failure reports, in milliseconds. */
  reminderMinMs: number;
}

/** Why a change of an alert is announced to nobody, or null when it is announced (spec 03 sections 4, 7, 8, 9). */
export function suppression(event: AlertEvent, circumstances: Circumstances): Suppression | null {
  switch (event) {
    case 'opened':
      return circumstances.muted ? 'muted' : null;
    case 'reminder':
      if (circumstances.muted) return 'muted';
      if (circumstances.acknowledged) return 'acknowledged';
      return circumstances.byReport && isTooSoon(circumstances) ? 'too_soon' : null;
    // An incident that was announced is ended everywhere, whatever holds back new messages.
    case 'acknowledged':
    case 'recovered':
    case 'closed':
      return null;
  }
}

function isTooSoon({ sinceLastMessageMs, reminderMinMs }: Circumstances): boolean {
  return sinceLastMessageMs !== null && sinceLastMessageMs < reminderMinMs;
}
