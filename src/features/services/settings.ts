import { CronError, canonicalZone, parseCron } from '../../platform/cron.ts';
import { invalid } from '../../platform/errors.ts';
import { isName, MAX_NAME } from '../heartbeats/name.ts';

/** What a request may say about a service; every member optional, already valid by itself. */
export interface Input {
  service_name?: string;
  active?: boolean;
  alert_interval?: number;
  alert_interval_seconds?: number;
  expected_cron?: string | null;
  expected_timezone?: string;
  threshold?: number;
  grace_period_seconds?: number;
  max_duration_ms?: number | null;
  team?: string;
  team_id?: number | null;
  schedule_id?: number | null;
  priority?: string;
  runbook?: string | null;
  notification_mode?: string;
}

/** The configuration columns of a service. */
export interface Settings {
  service_name: string;
  active: boolean;
  /** Null in cron mode. */
  alert_interval_seconds: number | null;
  expected_cron: string | null;
  expected_timezone: string;
  threshold: number;
  grace_period_seconds: number;
  max_duration_ms: number | null;
  team: string;
  team_id: number | null;
  schedule_id: number | null;
  priority: string;
  runbook: string | null;
  notification_mode: string;
}

const DEFAULTS: Omit<Settings, 'service_name' | 'alert_interval_seconds'> = {
  active: true,
  expected_cron: null,
  expected_timezone: 'UTC',
  threshold: 1,
  grace_period_seconds: 0,
  max_duration_ms: null,
  team: 'site-reliability',
  team_id: null,
  schedule_id: null,
  priority: 'p3',
  runbook: null,
  notification_mode: 'notify_all',
};

/** The members of a request as columns; checks the rules that concern several members. Throws `bad_request`. */
export function columnsOf(input: Input): Partial<Settings> {
  const { alert_interval: minutes, alert_interval_seconds: seconds, ...rest } = input;
  if (minutes !== undefined && seconds !== undefined && minutes * 60 !== seconds) {
    throw invalid('alert_interval_seconds', 'contradicts alert_interval; give one of the two');
  }
  const interval = seconds ?? (minutes === undefined ? undefined : minutes * 60);
  if (input.runbook !== undefined && input.runbook !== null) requireHttpUrl('runbook', input.runbook);
  return { ...rest, ...(interval === undefined ? {} : { alert_interval_seconds: interval }) };
}

/** A complete configuration for a new service. Throws `bad_request`. */
export function settingsOf(input: Input & { service_name: string }, now: Date): Settings {
  const given = columnsOf(input);
  const start = { ...DEFAULTS, service_name: input.service_name, alert_interval_seconds: null };
  return settingsAfter(start, given, now);
}

/** Grace in cron mode that names none, in seconds. */
const CRON_GRACE_SECONDS = 300;

/** The configuration after a change; checks the rules of the two modes (spec 01 section 1). Throws `bad_request`. */
export function settingsAfter(before: Settings, given: Partial<Settings>, now: Date): Settings {
  const { expected_cron: cron, alert_interval_seconds: interval } = given;
  const after = { ...before, ...given };
  if (cron !== undefined && cron !== null) {
    if (interval !== undefined) throw invalid('expected_cron', 'excludes alert_interval in the same request');
    after.alert_interval_seconds = null;
    if (before.expected_cron === null)
      after.grace_period_seconds = given.grace_period_seconds ?? CRON_GRACE_SECONDS;
  }
  if (interval !== undefined && cron === undefined && before.expected_cron !== null) {
    throw invalid(
      'alert_interval',
      'needs expected_cron: null in the same request, since the service is in cron mode',
    );
  }
  if (after.expected_cron === null && after.alert_interval_seconds === null) {
    throw invalid('alert_interval', 'is required: how often the service reports, in minutes');
  }
  if (after.expected_cron !== null) requireCronRules(after, before, now);
  else after.expected_timezone = zoneOf(after.expected_timezone);
  return after;
}

function requireCronRules(after: Settings, before: Settings, now: Date): void {
  if (after.threshold !== 1) throw invalid('threshold', 'must be 1 in cron mode');
  if (after.grace_period_seconds < 1)
    throw invalid('grace_period_seconds', 'must be at least 1 in cron mode');
  after.expected_timezone = zoneOf(after.expected_timezone);
  const changed =
    after.expected_cron !== before.expected_cron || after.expected_timezone !== before.expected_timezone;
  // What was accepted before stays, even when its last occurrence has passed.
  if (!changed) return;
  try {
    parseCron(after.expected_cron ?? '', after.expected_timezone, now);
  } catch (error) {
    if (error instanceof CronError) throw invalid('expected_cron', error.message);
    throw error;
  }
}

function zoneOf(timeZone: string): string {
  try {
    return canonicalZone(timeZone);
  } catch (error) {
    if (error instanceof CronError) throw invalid('expected_timezone', error.message);
    throw error;
  }
}

function requireHttpUrl(member: string, text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The parser adds missing slashes: "http:runbook" would be another address than the one that is shown.
  if (url === undefined || !/^https?:\/\/[^\s\p{Cc}]+$/iu.test(text)) {
    throw invalid(member, 'must be an absolute http or https address');
  }
}

/** The stored name: `{environment}-{heartbeat_name}` when an environment is given. Throws `bad_request`. */
export function storedName(heartbeatName: string, environment = ''): string {
  if (environment === '') return heartbeatName;
  const name = `${environment}-${heartbeatName}`;
  if (!isName(name)) {
    throw invalid('environment', `makes a name that is not valid or longer than ${MAX_NAME} characters`);
  }
  return name;
}

/** A change of one of these gives the service one whole new period (spec 01 section 1, `monitoring_since`). */
export function startsAfresh(before: Settings, after: Settings): boolean {
  return (
    (after.active && !before.active) ||
    after.alert_interval_seconds !== before.alert_interval_seconds ||
    after.threshold !== before.threshold ||
    after.expected_cron !== before.expected_cron ||
    after.expected_timezone !== before.expected_timezone
  );
}
