import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { Client } from 'undici';
import { MedicError } from '../errors.ts';
import { inTime } from '../in-time.ts';
import { type Logger, named } from '../logging.ts';
import { exchange, MAX_HEADER_BYTES, type OutboundResponse } from '../outbound.ts';
import { type Allowance, judge, judgeAnswers } from './guard.ts';

/** All addresses of a name, as `getaddrinfo` knows them. Rejects when there is none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

export interface GuardedRequest {
  url: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Those that belong to the connection (`Host`, `Content-Length`, …) are left out. */
  headers: Readonly<Record<string, string>>;
  /** Sent as it is; null: none. */
  body: string | Uint8Array | null;
  /** For everything, resolving the name included, in milliseconds. */
  timeoutMs: number;
}

/** A URL that may not be called: 400 at endpoints, and never worth another attempt. Why, is in the log alone. */
export class RefusedUrl extends MedicError {
  override readonly name = 'RefusedUrl';
  /** Its name has no address now, or none in time; everything else about the URL was in order. */
  readonly unresolved: boolean;

  constructor(unresolved: boolean) {
    super('bad_request', 'Invalid webhook URL');
    this.unresolved = unresolved;
  }
}

const RESOLVE_TIMEOUT_MS = 5_000;

/** The client for URLs that callers chose. No request leaves it that the guard refuses (spec 05 section 7). */
export class GuardedClient {
  readonly #allowed: Allowance;
  readonly #log: Logger;
  readonly #resolve: Resolve;

  /** @param resolve left out: the system resolves names, its hosts file included. */
  constructor(allowed: Allowance, log: Logger, resolve: Resolve = resolveBySystem) {
    this.#allowed = allowed;
    this.#log = named(log, 'outbound');
    this.#resolve = resolve;
  }

  /** Before a URL is stored. Rejects with RefusedUrl. */
  async checkUrl(url: string): Promise<void> {
    await this.#admit(url, RESOLVE_TIMEOUT_MS);
  }

  /**
   * One request, to an address that was just found harmless. Redirects are not followed: a 3xx is the answer.
   * Rejects with RefusedUrl before anything is sent, or with OutboundError when there is no answer in time.
   */
  async send(request: GuardedRequest): Promise<OutboundResponse> {
    const signal = AbortSignal.timeout(request.timeoutMs);
    const { url, addresses } = await this.#admit(
      request.url,
      Math.min(request.timeoutMs, RESOLVE_TIMEOUT_MS),
    );
    // A connection of its own, since one that is kept was opened to an address that was found harmless earlier.
    const client = new Client(url.origin, {
      maxHeaderSize: MAX_HEADER_BYTES,
      connect: { lookup: only(addresses), rejectUnauthorized: true },
    });
    try {
      return await exchange(url, {
        method: request.method,
        dispatcher: client,
        headers: withoutConnection(request.headers),
        body: request.body,
        signal,
      });
    } finally {
      await client.destroy();
    }
  }

  async #admit(text: string, resolveMs: number): Promise<{ url: URL; addresses: readonly string[] }> {
    const judgement = judge(text, this.#allowed);
    if (judgement.kind === 'refused') throw this.#refusal(text, judgement.reason);
    const { url } = judgement;
    if (judgement.kind === 'address') return { url, addresses: [judgement.address] };
    const addresses = await inTime(this.#resolve(url.hostname), resolveMs).catch(() => undefined);
    if (addresses === undefined) throw this.#refusal(text, 'its host cannot be resolved', true);
    const reason = judgeAnswers(judgement.name, addresses, this.#allowed);
    if (reason !== undefined) throw this.#refusal(text, reason, addresses.length === 0);
    return { url, addresses };
  }

  /** Of the URL only the host is logged: path, query and user information may be credentials. */
  #refusal(text: string, reason: string, unresolved = false): RefusedUrl {
    const host = URL.canParse(text) ? new URL(text).host : undefined;
    this.#log.warn({ host, reason }, `refused to call a URL: ${reason}`);
    return new RefusedUrl(unresolved);
  }
}

async function resolveBySystem(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** Stands in for the resolution that a connection begins with: the name has these addresses and no others. */
function only(addresses: readonly string[]): LookupFunction {
  const entries = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_name, { all }, done) => {
    const [first = { address: '', family: 0 }] = entries;
    if (all === true) done(null, entries);
    else done(null, first.address, first.family);
  };
}

/** What the HTTP client itself says about the message and its connection, and a proxy's credentials. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'upgrade',
  'expect',
  'te',
  'trailer',
]);

function withoutConnection(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !OF_THE_CONNECTION.has(name.trim().toLowerCase())),
  );
}
