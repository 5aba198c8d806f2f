import type { AlertFacts } from '../facts.ts';

const REASONS: Record<string, string> = {
  missed_heartbeat: 'missed its heartbeat',
  reported_down: 'reported that it is DOWN',
  job_failed: 'reported a FAILED job',
};

const CLOSED: Record<string, string> = {
  deactivated: 'the service was deactivated',
  deleted: 'the service was deleted',
  superseded: 'a later run or a changed limit took its place',
  resolved: 'somebody resolved it',
};

/** Follows the name of a service. */
export function reasonText(reason: string): string {
  return REASONS[reason] ?? reason;
}

/** Why an alert was closed. */
export function closeText(reason: string | null): string {
  return CLOSED[reason ?? ''] ?? String(reason);
}

/** How long the alert lasted. */
export function outage(alert: AlertFacts['alert']): string {
  const end = alert.closed_date ?? alert.created_date;
  return elapsed((Date.parse(end) - Date.parse(alert.created_date)) / 1000);
}

/** A length of time in words, such as `2h 5m`, `3m 20s` or `45s`. */
export function elapsed(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${rest}s` : `${rest}s`;
}

/** A limit in minutes and seconds, however long. */
export function limit(seconds: number): string {
  const whole = Math.floor(seconds);
  return whole < 60 ? `${whole}s` : `${Math.floor(whole / 60)}m ${whole % 60}s`;
}

/** An instant on the clock of a zone, which it names. */
export function localTime(iso: string, timeZone: string): string {
  const local = Temporal.Instant.from(iso).toZonedDateTimeISO(timeZone);
  return `${local.toPlainDateTime().toString({ smallestUnit: 'second' }).replace('T', ' ')} ${timeZone}`;
}

/** At most so many characters, with a sign where some are missing. */
export function cut(text: string, characters: number): string {
  const all = [...text];
  return all.length <= characters ? text : `${all.slice(0, characters).join('')}…`;
}
