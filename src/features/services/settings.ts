import { invalid } from '../../platform/errors.ts';
import { MAX_NAME, NAME_PATTERN } from '../heartbeats/name.ts';

/** What a request may say about a service; every member optional, already valid by itself. */
export interface Input {
  service_name?: string;
  active?: boolean;
  alert_interval?: number;
  alert_interval_seconds?: number;
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
  alert_interval_seconds: number;
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

export const DEFAULTS: Omit<Settings, 'service_name' | 'alert_interval_seconds'> = {
  active: true,
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
  // Teams and schedules cannot be created yet, so every id is one that does not exist.
  for (const name of ['team_id', 'schedule_id'] as const) {
    if (input[name] !== undefined && input[name] !== null)
      throw invalid(name, `${input[name]} does not exist`);
  }
  return { ...rest, ...(interval === undefined ? {} : { alert_interval_seconds: interval }) };
}

/** A complete configuration for a new service. Throws `bad_request`. */
export function settingsOf(input: Input & { service_name: string }): Settings {
  const columns = columnsOf(input);
  if (columns.alert_interval_seconds === undefined) {
    throw invalid('alert_interval', 'is required: how often the service reports, in minutes');
  }
  return {
    ...DEFAULTS,
    ...columns,
    service_name: input.service_name,
    alert_interval_seconds: columns.alert_interval_seconds,
  };
}

function requireHttpUrl(member: string, text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if ((url?.protocol !== 'http:' && url?.protocol !== 'https:') || /[\s\p{Cc}]/u.test(text)) {
    throw invalid(member, 'must be an absolute http or https address');
  }
}

/** The stored name: `{environment}-{heartbeat_name}` when an environment is given. Throws `bad_request`. */
export function storedName(heartbeatName: string, environment = ''): string {
  if (environment === '') return heartbeatName;
  const name = `${environment}-${heartbeatName}`;
  if ([...name].length > MAX_NAME || !new RegExp(NAME_PATTERN, 'u').test(name)) {
    throw invalid('environment', `makes a name that is not valid or longer than ${MAX_NAME} characters`);
  }
  return name;
}

/** A change of one of these gives the service one whole new period (spec 01 section 1, `monitoring_since`). */
export function startsAfresh(before: Settings, after: Settings): boolean {
  return (
    (after.active && !before.active) ||
    after.alert_interval_seconds !== before.alert_interval_seconds ||
    after.threshold !== before.threshold
  );
}
