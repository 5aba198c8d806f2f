import { Socket } from 'node:net';
import { type Static, Type } from 'typebox';
import { shortWord } from '../../../platform/outbound.ts';
import {
  type Address,
  ATTEMPT_TIMEOUT_MS,
  type Channel,
  type ChannelTools,
  type Message,
  type Outcome,
} from './channel.ts';
import { emailOf } from './email-text.ts';

/** One plain address: no list, no name, nothing that a header could read as more than one. */
const Mailbox = Type.String({
  minLength: 3,
  maxLength: 254,
  pattern: '^[^\\s@<>(),;:"\\\\[\\]\\p{Cc}]+@[^\\s@<>(),;:"\\\\\\p{Cc}]+$',
});
const CONFIG = Type.Object(
  { to: Type.Union([Mailbox, Type.Array(Mailbox, { minItems: 1, maxItems: 50 })]) },
  { additionalProperties: false },
);

/** E-mail by the SMTP server of `MEDIC_SMTP_URL`. Each message has a connection of its own, which ends with it. */
export function email({ settings }: ChannelTools): Channel {
  const { MEDIC_SMTP_URL: url, MEDIC_SMTP_FROM: from } = settings;
  const missing =
    url === undefined ? 'no SMTP server' : from === undefined ? 'no sender of e-mail' : undefined;
  return {
    name: 'email',
    waitsSeconds: [1, 5, 30, 600],
    unavailable: missing === undefined ? undefined : `${missing} is configured`,
    secrets: url === undefined ? [] : [url, ...passwordsOf(url)],
    target: {
      schema: CONFIG,
      credentials: [],
      urls: [],
      destinationOf: (config) => {
        const [first = '', ...others] = recipientsOf(config);
        return others.length === 0 ? first : `${first} and ${others.length} more`;
      },
      identityOf: (config) => recipientsOf(config).join(' '),
    },
    send: async (message) => {
      if (url === undefined || from === undefined) {
        return { kind: 'failed', code: null, error: `${missing} is configured` };
      }
      return submit(url, {
        ...emailOf(message, settings.MEDIC_TIMEZONE, new URL(settings.MEDIC_BASE_URL).hostname),
        from,
        to: recipientsOf(message.address).map((address) => ({ name: '', address })),
      });
    },
  };
}

async function submit(url: string, mail: object): Promise<Outcome> {
  const socket = new Socket();
  // The limits of the library count silence: a server that says a little now and then could hold it for ever.
  const deadline = setTimeout(() => socket.destroy(new Error('timed out')), ATTEMPT_TIMEOUT_MS);
  socket.once('close', () => clearTimeout(deadline));
  const started = performance.now();
  try {
    // A large library, which only those who send e-mail need.
    const { createTransport } = await import('nodemailer');
    const { response, rejected } = await createTransport({
      url,
      socket,
      connectionTimeout: ATTEMPT_TIMEOUT_MS,
      greetingTimeout: ATTEMPT_TIMEOUT_MS,
      socketTimeout: ATTEMPT_TIMEOUT_MS,
      dnsTimeout: ATTEMPT_TIMEOUT_MS / 6,
      disableFileAccess: true,
      disableUrlAccess: true,
      logger: false,
    }).sendMail(mail);
    const refused = rejected.length === 0 ? '' : ` (${rejected.length} recipients refused)`;
    return { kind: 'sent', code: codeIn(response), body: `${response}${refused}` };
  } catch (error) {
    if (!socket.destroyed) socket.destroy();
    return performance.now() - started >= ATTEMPT_TIMEOUT_MS - 50
      ? { kind: 'retry', code: null, error: 'timed out' }
      : outcomeOf(error);
  }
}

/** A 5yz of the server is its last word (RFC 5321 section 4.2.1), and wrong credentials heal as little. */
function outcomeOf(error: unknown): Outcome {
  const {
    responseCode: code,
    response = '',
    code: word,
  } = error as Record<'responseCode' | 'response' | 'code', never>;
  if (typeof code !== 'number') {
    return { kind: 'retry', code: null, error: WORDS[String(word)] ?? shortWord(error) };
  }
  const failure = { code, error: `answered ${code}`, body: String(response) };
  return code >= 500 ? { ...failure, kind: 'failed', permanent: true } : { ...failure, kind: 'retry' };
}

/** Codes of the library. */
const WORDS: Record<string, string> = {
  ETIMEDOUT: 'timed out',
  EDNS: 'host not found',
  ETLS: 'no secure connection',
  EPROTOCOL: 'not an SMTP server',
};

function codeIn(response: string): number | null {
  const code = Number(/^\d{3}/.exec(response)?.[0]);
  return Number.isInteger(code) ? code : null;
}

function recipientsOf(config: Address | Message['address']): string[] {
  const { to } = config as Static<typeof CONFIG>;
  return typeof to === 'string' ? [to] : to;
}

/** As written and decoded. */
function passwordsOf(url: string): string[] {
  const { password } = new URL(url);
  return password === '' ? [] : [password, decodeURIComponent(password)];
}
