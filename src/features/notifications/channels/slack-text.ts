import type { AlertFacts, Facts } from '../facts.ts';
import { closeText, cut, elapsed, limit, localTime, outage, reasonText } from './words.ts';

/** The text of a message (spec 04 section 8). */
export function slackText(facts: Facts, timeZone: string): string {
  if (facts.event === 'test') {
    const about = facts.service === null ? '' : ` about ${code(facts.service.heartbeat_name)}`;
    return `:wave: This is a test message of Medic${about}.`;
  }
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
        `:broken_heart: ${who} ${reasonText(alert.reason)}. Priority ${service.priority}${cycle(alert.alert_cycle)}; this is being routed to ${code(service.team)}.`,
        ...details,
      ].join('\n');
    case 'reminder':
      return [
        `:broken_heart: ${who} is still failing (${reasonText(alert.reason)})${cycle(alert.alert_cycle)}. Priority ${service.priority}; this has been routed to ${code(service.team)}.`,
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
      return `:white_circle: The alert of ${who} was closed: ${closeText(alert.close_reason)}.`;
  }
}

/** The first line about a run that is stale, or took too long (spec 02 section 4). */
function openedRun(facts: AlertFacts, run: NonNullable<AlertFacts['run']>, who: string): string {
  const taken = elapsed(run.duration_ms / 1000);
  const allowed = run.limit_ms === null ? '' : ` (limit ${limit(run.limit_ms / 1000)})`;
  const [sign, verb] =
    facts.alert.kind === 'stale_job' ? [':hourglass:', 'is running since'] : [':stopwatch:', 'took'];
  return `${sign} ${who}: run ${code(run.run_id)} ${verb} ${taken}${allowed}. Priority ${facts.service.priority}; this is being routed to ${code(facts.service.team)}.`;
}

function cycle(count: number): string {
  return count > 1 ? `, failure cycle ${count}` : '';
}

/** Text that can neither mention anyone nor forge a link: https://docs.slack.dev/messaging/formatting-message-text */
function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function code(text: string): string {
  return `\`${escapeText(text.replaceAll('`', '').replaceAll(/\s+/g, ' '))}\``;
}
