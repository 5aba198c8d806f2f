import type { Message } from './channel.ts';
import { type Summary, summaryOf } from './summary.ts';

/** The parts of an e-mail about an alert. Repeats of a delivery have the same id, and all of an alert are one thread. */
export function emailOf(
  { facts, deliveryId }: Pick<Message, 'facts' | 'deliveryId'>,
  timeZone: string,
  host: string,
) {
  const summary = summaryOf(facts, timeZone);
  const thread = facts.alert === null ? {} : { references: `<alert-${facts.alert.alert_id}@${host}>` };
  return {
    messageId: `<${deliveryId}@${host}>`,
    ...thread,
    subject: oneLine(`[Medic] ${summary.name} ${summary.what}`),
    text: plain(summary),
    html: html(summary),
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}

function plain({ name, what, details, url }: Summary): string {
  return [
    `${oneLine(name)} ${what}.`,
    '',
    ...details.map(({ label, value }) => `${label}: ${oneLine(value)}`),
    ...(url === null ? [] : ['', url]),
    '',
  ].join('\n');
}

function html({ name, what, details, url }: Summary): string {
  const rows = details.map(
    ({ label, value }) => `<tr><th align="left">${escaped(label)}</th><td>${escaped(value)}</td></tr>`,
  );
  const link = url === null ? '' : `<p><a href="${escaped(url)}">Open the alert</a></p>`;
  return `<p><b>${escaped(name)}</b> ${escaped(what)}.</p><table>${rows.join('')}</table>${link}`;
}

/** A line break in a header would begin another one. */
function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
