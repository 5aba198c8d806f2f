import type { Summary } from './summary.ts';

/**
 * How each program is told. Texts of users stand in code spans, or in runs that are not read as markup, so that they can
 * neither mention anyone nor forge a link.
 */
export const DIALECTS = { discord, teams, mattermost };

/** https://discord.com/developers/docs/resources/webhook#execute-webhook: at most 2000 characters */
function discord(summary: Summary): object {
  return {
    content: markdown(summary, codeSpan, 2000),
    allowed_mentions: { parse: [] },
    flags: SUPPRESS_EMBEDS,
  };
}

const SUPPRESS_EMBEDS = 4;

/** https://developers.mattermost.com/integrate/webhooks/incoming: at most 16383 characters */
function mattermost(summary: Summary): object {
  // It also reads Slack's `<!channel>` and `<url|text>`, before it knows what is code.
  const broken = (text: string) => codeSpan(text.replaceAll(/[@<]/g, `$&${ZERO_WIDTH_SPACE}`));
  return { text: markdown(summary, broken, 16_000) };
}

const ZERO_WIDTH_SPACE = '\u200b';

function markdown(
  { name, what, details, url }: Summary,
  quote: (text: string) => string,
  most: number,
): string {
  const lines = [
    `**${quote(name)} ${what}**`,
    ...(url === null ? [] : [`<${url}>`]),
    ...details.map(({ label, value }) => `${label}: ${quote(value)}`),
  ];
  while (lines.length > 1 && [...lines.join('\n')].length > most) lines.pop();
  return lines.join('\n');
}

/** Nothing in a code span is markup but its end. */
function codeSpan(text: string): string {
  const inside = text.replaceAll('`', "'").replaceAll(/\s+/g, ' ').trim();
  return `\`${inside === '' ? '-' : inside}\``;
}

/** The format of workflows with an adaptive card: https://adaptivecards.io/explorer/TextRun.html reads no markdown. */
function teams({ name, what, details, url }: Summary): object {
  const run = (text: string, more: object = {}) => ({ type: 'TextRun', text, ...more });
  const block = (...inlines: object[]) => ({ type: 'RichTextBlock', inlines });
  const card = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [
      block(run(`${name} ${what}`, { weight: 'Bolder', size: 'Medium' })),
      ...details.map(({ label, value }) => block(run(`${label}: `, { weight: 'Bolder' }), run(value))),
    ],
    ...(url === null ? {} : { actions: [{ type: 'Action.OpenUrl', title: 'Open the alert', url }] }),
  };
  return {
    type: 'message',
    attachments: [
      { contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card },
    ],
  };
}
