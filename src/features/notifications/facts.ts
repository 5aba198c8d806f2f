/**
 * What a message about an alert is made of, fixed at the instant of the event so that every attempt says the same.
 * `event`, `occurred_at`, `alert` and `service` have the shape of the webhook body (spec 04 section 9).
 */
export interface AlertFacts {
  event: 'opened' | 'reminder' | 'acknowledged' | 'recovered' | 'closed';
  occurred_at: string;
  alert: {
    alert_id: number;
    alert_name: string;
    kind: string;
    reason: string;
    run_id: string | null;
    active: boolean;
    alert_cycle: number;
    created_date: string;
    closed_date: string | null;
    close_reason: string | null;
    url: string;
  };
  service: {
    service_id: number;
    heartbeat_name: string;
    service_name: string;
    team: string;
    priority: string;
    runbook: string | null;
    last_heartbeat: string | null;
  };
  /** Of a run alert: the run, with the time it took, or has taken so far, and its limit. */
  run: { run_id: string; duration_ms: number; limit_ms: number | null } | null;
  /** How long Medic itself was away in the period that the alert is about. */
  outage_seconds: number | null;
  /** Of the newest failure report. */
  report: { message: string | null; run_id: string | null };
  acknowledgement: { by: string; comment: string | null } | null;
}

/** What a test message is made of; `service` is null when it is not about one. */
export interface TestFacts {
  event: 'test';
  occurred_at: string;
  alert: null;
  service: AlertFacts['service'] | null;
}

export type Facts = AlertFacts | TestFacts;
