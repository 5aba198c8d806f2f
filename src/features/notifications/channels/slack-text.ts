import type { AlertFacts } from '../facts.ts';

/** The text of a message (spec 04 section 8). */
export function slackText(facts: AlertFacts, timeZone: string): string {
  const { alert, service } = facts;
  const who = `${code(service.heartbeat_name)} (service ${code(service.service_name)})`;
  const lastSeen =
    service.last_heartbeat === null
      ? 'It has never reported.'
      : `Last heartbeat: ${localTime(service.last_heartbeat, timeZone)}.`;
  const details = [
    lastSeen,
    facts.report.message === null ? '' : `Message: ${escapeText(cut(facts.report.message, 500))}`,
    service.runbook === null ? '' : `Runbook: ${escapeText(service.runbook)}`,
    facts.outage_seconds === null
      ? ''
      : `Medic itself was unavailable for ${facts.outage_seconds} s in this period.`,
    `<${escapeText(alert.url)}|Alert ${alert.alert_id}>`,
  ].filter((line) => line !== '');
  switch (facts.event) {
    case 'opened':
      if (facts.run !== null) return [openedRun(facts, facts.run, who), ...details.slice(1)].join('\n');
      return [
        `:broken_heart: ${who} ${REASON_TEXT[alert.reason] ?? alert.reason}. Priority ${service.priority}${cycle(alert.alert_cycle)}; this is being routed to ${code(service.team)}.`,
        ...details,
      ].join('\n');
    case 'reminder':
      return [
        `:broken_heart: ${who} is still failing (${REASON_TEXT[alert.reason] ?? alert.reason})${cycle(alert.alert_cycle)}. Priority ${service.priority}; this has been routed to ${code(service.team)}.`,
        ...details,
      ].join('\n');
    case 'acknowledged':
      return `:eyes: ${who} was acknowledged by ${escapeText(facts.acknowledgement?.by ?? 'someone')}.`;
    case 'recovered':
      if (facts.run !== null) {
        return `:green_heart: ${who}: run ${code(facts.run.run_id)} has finished after ${elapsed(facts.run.duration_ms / 1000)}.`;
      }
      return `:green_heart: ${who} has recovered after ${outage(alert)}. ${lastSeen}`;
    case 'closed':
      return `:white_circle: The alert of ${who} was closed: ${CLOSE_TEXT[alert.close_reason ?? ''] ?? alert.close_reason}.`;
  }
}

const CLOSE_TEXT: Record<string, string> = {
  deactivated: 'the service was deactivated',
  deleted: 'the service was deleted',
  superseded: 'a later run or a changed limit took its place',
  resolved: 'somebody resolved it',
};

/** The first line about a run that is stale, or took too long (spec 02 section 4). */
function openedRun(facts: AlertFacts, run: NonNullable<AlertFacts['run']>, who: string): string {
  const taken = elapsed(run.duration_ms / 1000);
  const allowed = run.limit_ms === null ? '' : ` (limit ${limit(run.limit_ms / 1000)})`;
  const [sign, verb] =
    facts.alert.kind === 'stale_job' ? [':hourglass:', 'is running since'] : [':stopwatch:', 'took'];
  return `${sign} ${who}: run ${code(run.run_id)} ${verb} ${taken}${allowed}. Priority ${facts.service.priority}; this is being routed to ${code(facts.service.team)}.`;
}

/** A limit in minutes and seconds, however long. */
function limit(seconds: number): string {
  const whole = Math.floor(seconds);
  return whole < 60 ? `${whole}s` : `${Math.floor(whole / 60)}m ${whole % 60}s`;
}

const REASON_TEXT: Record<string, string> = {
  missed_heartbeat: 'missed its heartbeat',
  reported_down: 'reported that it is DOWN',
  job_failed: 'reported a FAILED job',
};

function cycle(count: number): string {
  return count > 1 ? `, failure cycle ${count}` : '';
}

function outage(alert: AlertFacts['alert']): string {
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

function localTime(iso: string, timeZone: string): string {
  const local = Temporal.Instant.from(iso).toZonedDateTimeISO(timeZone);
  return `${local.toPlainDateTime().toString({ smallestUnit: 'second' }).replace('T', ' ')} ${timeZone}`;
}

/** Text that can neither mention anyone nor forge a link: https://docs.slack.dev/messaging/formatting-message-text */
function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function code(text: string): string {
  return `\`${escapeText(text.replaceAll('`', ''))}\``;
}

function cut(text: string, characters: number): string {
  const all = [...text];
  return all.length <= characters ? text : `${all.slice(0, characters).join('')}…`;
}
