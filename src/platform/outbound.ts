import { Agent, type Dispatcher, request } from 'undici';

export interface OutboundRequest {
  url: string;
  /** Sent as JSON. */
  body: unknown;
  headers?: Record<string, string>;
  /** For the whole exchange, in milliseconds. */
  timeoutMs: number;
}

export interface OutboundResponse {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The first 64 KiB. */
  body: string;
}

const MAX_RESPONSE_BYTES = 64 * 1024;
export const MAX_HEADER_BYTES = 16 * 1024;

const agent = new Agent({ connections: 32, keepAliveTimeout: 10_000, maxHeaderSize: MAX_HEADER_BYTES });

/**
 * One POST with JSON to a URL that the operator has set; URLs that callers chose go through `GuardedClient`.
 * Redirects are not followed: a 3xx is the answer.
 * Rejects when there is no answer in time; the message is a short word, never an address.
 */
export function postJson(outbound: OutboundRequest): Promise<OutboundResponse> {
  return exchange(outbound.url, {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/json', ...outbound.headers },
    body: JSON.stringify(outbound.body),
    signal: AbortSignal.timeout(outbound.timeoutMs),
  });
}

/** One request over the connections of `dispatcher`. Rejects with OutboundError. */
export async function exchange(
  url: string | URL,
  how: {
    method: Dispatcher.HttpMethod;
    dispatcher: Dispatcher;
    headers: Record<string, string>;
    body: string | Uint8Array | null;
    signal: AbortSignal;
  },
): Promise<OutboundResponse> {
  try {
    const response = await request(url, how);
    return {
      status: response.statusCode,
      headers: response.headers,
      body: await readBounded(response.body),
    };
  } catch (error) {
    throw new OutboundError(shortWord(error), { cause: error });
  }
}

/** No answer: `timed out`, `connection refused`, `connection lost`, … */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';
}

async function readBounded(body: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MAX_RESPONSE_BYTES) {
      body.destroy();
      break;
    }
  }
  return Buffer.concat(chunks).subarray(0, MAX_RESPONSE_BYTES).toString('utf8');
}

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection lost',
  UND_ERR_SOCKET: 'connection lost',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'host not found',
  UND_ERR_INVALID_ARG: 'invalid request',
  UND_ERR_CONNECT_TIMEOUT: 'timed out',
  UND_ERR_HEADERS_TIMEOUT: 'timed out',
  UND_ERR_BODY_TIMEOUT: 'timed out',
};

/** The gist of a failed request in words that are safe to show. */
export function shortWord(error: unknown): string {
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 5; depth += 1) {
    if (cause.name === 'TimeoutError' || cause.name === 'AbortError') return 'timed out';
    const word = 'code' in cause ? WORDS[String(cause.code)] : undefined;
    if (word !== undefined) return word;
    cause = 'original' in cause ? cause.original : cause.cause;
  }
  return 'connection failed';
}
