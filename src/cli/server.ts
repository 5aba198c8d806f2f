import { httpUrl } from '../platform/environment.ts';
import { CliError } from './failure.ts';

export interface ServerAddress {
  /** Absolute http(s) address without a slash at its end. */
  url: string;
  apiKey: string | undefined;
}

/** What the options say, else the environment, else the server of this machine. */
export function addressOf(options: { url?: string; apiKey?: string }): ServerAddress {
  const read = httpUrl('http://localhost:8080');
  let url: string;
  try {
    url = read((options.url ?? process.env.MEDIC_BASE_URL)?.trim() || undefined);
  } catch (error) {
    const source = options.url === undefined ? 'MEDIC_BASE_URL' : '--url';
    throw new CliError(`${source}: ${(error as Error).message}`);
  }
  const apiKey = (options.apiKey ?? process.env.MEDIC_API_KEY)?.trim() || undefined;
  // The platform's own complaint about such a header would repeat the key.
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new CliError('the API key has characters that no key has');
  }
  return { url, apiKey };
}

/** One answer of the server, whatever its status. `document` is undefined when the body is not JSON. */
export interface Answer {
  status: number;
  document: unknown;
  location: string | null;
}

export interface Request {
  method: 'GET' | 'POST';
  path: string;
  /** Sent as JSON, or as it is when it is a text. */
  body?: object | string | undefined;
  signal: AbortSignal;
}

/** Sends one request. Throws CliError when there is no answer; no message ever repeats the path, which may be secret. */
export async function exchange(address: ServerAddress, request: Request): Promise<Answer> {
  const { method, path, body, signal } = request;
  try {
    const response = await fetch(address.url + path, {
      method,
      signal,
      // A redirected POST would become a GET: told instead of followed.
      redirect: 'manual',
      headers: {
        accept: 'application/json',
        'user-agent': 'medic-cli',
        ...(address.apiKey === undefined ? {} : { authorization: `Bearer ${address.apiKey}` }),
        ...(body === undefined
          ? {}
          : { 'content-type': typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return {
      status: response.status,
      document: parse(await response.text()),
      location: response.headers.get('location'),
    };
  } catch (error) {
    throw new CliError(`${address.url} ${reasonOf(error, signal)}`, { cause: error });
  }
}

/** The `results` of a successful answer. Throws CliError with the message of any other. */
export function resultsOf(address: ServerAddress, answer: Answer): unknown {
  const envelope = answer.document as { success?: unknown; message?: unknown; results?: unknown } | undefined;
  const isEnvelope = typeof envelope === 'object' && envelope !== null && 'success' in envelope;
  if (isEnvelope && envelope.success === true && answer.status < 300) return envelope.results;
  throw new CliError(messageOf(address, answer));
}

/** Why an answer is not a success. */
export function messageOf(address: ServerAddress, { status, document, location }: Answer): string {
  if (status >= 300 && status < 400) {
    const target = location !== null && URL.canParse(location) ? ` to ${new URL(location).origin}` : '';
    return `${address.url} redirects${target}: use the address of Medic itself`;
  }
  const message = (document as { message?: unknown } | null | undefined)?.message;
  if (typeof message === 'string' && message !== '') return message;
  return `${address.url} answered with status ${status} and nothing that Medic would say`;
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'refuses connections',
  ENOTFOUND: 'is not a known host',
  EAI_AGAIN: 'cannot be looked up now',
  ETIMEDOUT: 'does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'does not answer',
  ECONNRESET: 'closed the connection',
  UND_ERR_SOCKET: 'closed the connection',
};

function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'did not answer in time';
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  const code = cause?.code ?? '';
  return REASONS[code] ?? `cannot be reached (${code || cause?.message || 'no reason given'})`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
