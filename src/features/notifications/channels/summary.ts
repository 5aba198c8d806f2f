import type { AlertFacts, Facts } from '../facts.ts';
import { closeText, cut, elapsed, limit, localTime, outage, reasonText } from './words.ts';

/** A message in pieces, for channels that have a dialect of their own. Texts of users are in `name` and the values. */
export interface Summary {
  /** Of the service, or of Medic. */
  name: string;
  /** What happened to it: follows the name. */
  what: string;
  details: { label: string; value: string }[];
  /** Of the alert, on our own dashboard. */
  url: string | null;
}

const MAX_NAME = 150;
const MAX_VALUE = 150;
const MAX_MESSAGE = 400;

export function summaryOf(facts: Facts, timeZone: string): Summary {
  const { service } = facts;
  if (facts.event === 'test') {
    const details =
      service === null ? [] : [{ label: 'Service', value: cut(service.service_name, MAX_VALUE) }];
    return {
      name: cut(service?.heartbeat_name ?? 'Medic', MAX_NAME),
      what: 'sends a test message',
      details,
      url: null,
    };
  }
  const { alert, report } = facts;
  const last = facts.service.last_heartbeat;
  const details: [string, string | null][] = [
    ['Service', facts.service.service_name],
    ['Team', facts.service.team],
    ['Priority', facts.service.priority],
    ['Failure cycle', alert.alert_cycle > 1 ? String(alert.alert_cycle) : null],
    ['Run', facts.run?.run_id ?? null],
    ['Last heartbeat', last === null ? 'never' : localTime(last, timeZone)],
    ['Message', report.message === null ? null : cut(report.message, MAX_MESSAGE)],
    ['Runbook', facts.service.runbook],
    ['Acknowledged by', facts.event === 'acknowledged' ? (facts.acknowledgement?.by ?? 'someone') : null],
    ['Medic was unavailable', facts.outage_seconds === null ? null : elapsed(facts.outage_seconds)],
  ];
  return {
    name: cut(facts.service.heartbeat_name, MAX_NAME),
    what: whatHappened(facts),
    details: details.flatMap(([label, value]) =>
      value === null ? [] : [{ label, value: label === 'Message' ? value : cut(value, MAX_VALUE) }],
    ),
    url: alert.url,
  };
}

function whatHappened({ event, alert, run }: AlertFacts): string {
  switch (event) {
    case 'opened':
      return run === null ? reasonText(alert.reason) : `has a run that ${runText(alert.kind, run)}`;
    case 'reminder':
      return run === null
        ? `is still failing: it ${reasonText(alert.reason)}`
        : `has a run that ${runText(alert.kind, run)}`;
    case 'acknowledged':
      return 'is failing, and somebody acknowledged it';
    case 'recovered':
      return run === null
        ? `has recovered after ${outage(alert)}`
        : `has finished its run after ${elapsed(run.duration_ms / 1000)}`;
    case 'closed':
      return `is no longer alerted: ${closeText(alert.close_reason)}`;
  }
}

function runText(kind: string, run: NonNullable<AlertFacts['run']>): string {
  const taken = elapsed(run.duration_ms / 1000);
  const allowed = run.limit_ms === null ? '' : ` (limit ${limit(run.limit_ms / 1000)})`;
  return kind === 'stale_job' ? `is not finished after ${taken}${allowed}` : `took ${taken}${allowed}`;
}
