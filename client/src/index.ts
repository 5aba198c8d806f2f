import type { Operations } from './api.gen.ts';

export type HeartbeatStatus = 'UP' | 'DEGRADED' | 'STARTED' | 'COMPLETED' | 'DOWN' | 'FAILED';

/** How every answer looks. */
export interface Envelope<Results> {
  success: boolean;
  message: string;
  results: Results;
}

type Body<Name extends keyof Operations> = Operations[Name] extends { body: infer Shape } ? Shape : never;
type Query<Name extends keyof Operations> = Operations[Name] extends { query: infer Shape } ? Shape : never;
type Answer<Name extends keyof Operations> = Envelope<Operations[Name]['results']>;

/** Members may be given as undefined: they are left out then. */
type Loose<Shape> = {
  [Member in keyof Shape]: undefined extends Shape[Member] ? Shape[Member] | undefined : Shape[Member];
};

export type Heartbeat = Loose<Body<'POST /heartbeat'>> & { status: HeartbeatStatus };
export type HeartbeatEvent = Operations['GET /heartbeat']['results'][number];
export type HeartbeatQuery = Omit<Loose<Query<'GET /heartbeat'>>, 'maxCount'> & {
  maxCount?: number | undefined;
};
export type Registration = Loose<Body<'POST /service'>>;
export type Service = Operations['POST /service']['results'];

export interface JobSignal {
  run_id?: string | undefined;
  message?: string | undefined;
}

export interface MedicClientOptions {
  /** Default: `MEDIC_BASE_URL`, else `http://localhost:8080`. */
  baseUrl?: string | undefined;
  /** Default: `MEDIC_API_KEY`, else none is sent. */
  apiKey?: string | undefined;
  /** Milliseconds for one request; default 30 000. */
  timeout?: number | undefined;
  /** Sent with every request. */
  headers?: Record<string, string> | undefined;
}

/** Any failure. `statusCode` is 408 when the time was up, and 0 when the server could not be reached. */
export class MedicError extends Error {
  readonly statusCode: number;
  /** The body of the answer: parsed, or its text when it is not JSON; undefined when there is none. */
  readonly response: unknown;

  constructor(message: string, statusCode: number, response?: unknown, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'MedicError';
    this.statusCode = statusCode;
    this.response = response;
  }
}

/** Most milliseconds that `wrap` lets a function wait for its report. */
const WRAP_TIMEOUT_MS = 5_000;

/** Speaks to a Medic server. Its methods throw MedicError, except `beat` and `wrap`, which never do. */
export class MedicClient {
  readonly #baseUrl: string;
  readonly #timeout: number;
  readonly #headers: Record<string, string>;

  constructor(options: MedicClientOptions = {}) {
    const environment = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process
      ?.env;
    const baseUrl = options.baseUrl ?? environment?.MEDIC_BASE_URL ?? '';
    const apiKey = options.apiKey ?? environment?.MEDIC_API_KEY ?? '';
    this.#baseUrl = (baseUrl.trim() || 'http://localhost:8080').replace(/\/+$/, '');
    this.#timeout = options.timeout ?? 30_000;
    this.#headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(apiKey.trim() === '' ? {} : { authorization: `Bearer ${apiKey.trim()}` }),
      ...options.headers,
    };
  }

  /** Records a heartbeat. */
  sendHeartbeat(heartbeat: Heartbeat): Promise<Answer<'POST /heartbeat'>> {
    return this.#call('POST', '/heartbeat', heartbeat);
  }

  /** Events, newest first. */
  getHeartbeats(query: HeartbeatQuery = {}): Promise<Answer<'GET /heartbeat'>> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    return this.#call('GET', given.length === 0 ? '/heartbeat' : `/heartbeat?${search}`);
  }

  /** Registers a service; one that exists is left as it is. */
  registerService(registration: Registration): Promise<Answer<'POST /service'>> {
    return this.#call('POST', '/service', registration);
  }

  /** Reports that a job has started. */
  jobStart(
    serviceId: number,
    signal: JobSignal = {},
  ): Promise<Answer<'POST /v2/heartbeat/{service_id}/start'>> {
    return this.#call('POST', `/v2/heartbeat/${serviceId}/start`, signal);
  }

  /** Reports that a job is done. */
  jobComplete(
    serviceId: number,
    signal: JobSignal = {},
  ): Promise<Answer<'POST /v2/heartbeat/{service_id}/complete'>> {
    return this.#call('POST', `/v2/heartbeat/${serviceId}/complete`, signal);
  }

  /** Reports that a job has failed. */
  jobFail(
    serviceId: number,
    signal: JobSignal = {},
  ): Promise<Answer<'POST /v2/heartbeat/{service_id}/fail'>> {
    return this.#call('POST', `/v2/heartbeat/${serviceId}/fail`, signal);
  }

  /** Sends a heartbeat and never throws. @returns whether it was recorded. */
  async beat(heartbeatName: string, status: HeartbeatStatus = 'UP', message?: string): Promise<boolean> {
    return this.#quietly(() => this.sendHeartbeat({ heartbeat_name: heartbeatName, status, message }));
  }

  /**
   * Runs `job` and reports its start and its end. The result, or the error, is that of `job`: no trouble with Medic
   * ever changes it, and it is held back 5 s at most.
   */
  async wrap<Result>(heartbeatName: string, job: () => Result | Promise<Result>): Promise<Result> {
    const run_id = newRunId();
    const report = (status: HeartbeatStatus, message?: string) =>
      this.#quietly(() =>
        this.#call(
          'POST',
          '/heartbeat',
          { heartbeat_name: heartbeatName, status, run_id, message },
          WRAP_TIMEOUT_MS,
        ),
      );
    const started = report('STARTED');
    const end = (status: HeartbeatStatus, message?: string) =>
      inTime(
        started.then(() => report(status, message)),
        WRAP_TIMEOUT_MS,
      );
    let result: Result;
    try {
      result = await job();
    } catch (error) {
      await end('FAILED', textOf(error));
      throw error;
    }
    await end('COMPLETED');
    return result;
  }

  async #quietly(request: () => Promise<unknown>): Promise<boolean> {
    try {
      await request();
      return true;
    } catch {
      return false;
    }
  }

  async #call<Results>(
    method: 'GET' | 'POST',
    path: string,
    body?: object,
    timeout = this.#timeout,
  ): Promise<Envelope<Results>> {
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(), Math.min(timeout, this.#timeout));
    try {
      const response = await fetch(this.#baseUrl + path, {
        method,
        headers: this.#headers,
        signal: time.signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return envelopeOf(response.status, await response.text());
    } catch (error) {
      if (error instanceof MedicError) throw error;
      if (time.signal.aborted)
        throw new MedicError('Medic did not answer in time', 408, undefined, { cause: error });
      const { cause } = error as { cause?: { code?: string } };
      const reason = cause?.code ?? textOf(cause ?? error);
      throw new MedicError(`Medic cannot be reached: ${reason}`, 0, undefined, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

function envelopeOf<Results>(status: number, text: string): Envelope<Results> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new MedicError(`Medic answered with status ${status} and no JSON`, status, text);
  }
  const envelope = document as Partial<Envelope<Results>> | null;
  if (status < 300 && envelope?.success === true) return envelope as Envelope<Results>;
  const message = typeof envelope?.message === 'string' ? envelope.message : '';
  throw new MedicError(message || `Medic answered with status ${status}`, status, document);
}

function textOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return 'an error that cannot be shown';
  }
}

/** Distinct, not secret: where there is no Web Crypto, chance is enough. */
function newRunId(): string {
  const { crypto } = globalThis as { crypto?: { randomUUID?: () => string } };
  if (typeof crypto?.randomUUID === 'function') return crypto.randomUUID();
  const part = () => Math.random().toString(36).slice(2, 12);
  return `${part()}${part()}`;
}

async function inTime(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
