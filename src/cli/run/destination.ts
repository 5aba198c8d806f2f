import { CliError } from '../failure.ts';
import { exchange, messageOf, type Request, resultsOf, type ServerAddress } from '../server.ts';

/** What is told about a run. */
export interface Signal {
  kind: 'start' | 'complete' | 'fail';
  runId: string | null;
  message: string | null;
}

/**
 * `retry`: the next attempt may succeed. `keep`: a later run may, with another key or address.
 * `drop`: the server has understood and refused.
 */
export type Fate = 'retry' | 'keep' | 'drop';

export class SendError extends Error {
  readonly fate: Fate;

  constructor(message: string, fate: Fate) {
    super(message);
    this.name = 'SendError';
    this.fate = fate;
  }
}

/** Where signals go. */
export interface Destination {
  /** Tells it from other destinations. Secret. */
  readonly identity: string;
  /** What runs when it is not known by another name. */
  readonly name: string;
  /** One attempt. Throws SendError. */
  send(name: string, signal: Signal, abort: AbortSignal): Promise<void>;
}

const STATUS = { start: 'STARTED', complete: 'COMPLETED', fail: 'FAILED' } as const;

/** The ping endpoints: the key in the path is the credential. */
export class PingDestination implements Destination {
  readonly identity: string;
  readonly name: string;
  readonly #address: ServerAddress;
  readonly #key: string;

  constructor(url: string, key: string, name: string) {
    this.identity = `ping ${url} ${key}`;
    this.name = name;
    this.#address = { url, apiKey: undefined };
    this.#key = key;
  }

  async send(_name: string, { kind, runId, message }: Signal, abort: AbortSignal): Promise<void> {
    const query = runId === null ? '' : `?run_id=${encodeURIComponent(runId)}`;
    const path = `/ping/${encodeURIComponent(this.#key)}/${kind}${query}`;
    const answer = await attempt(this.#address, { method: 'POST', path, body: message ?? '', signal: abort });
    if (answer.status === 404) throw new SendError('the ping key is not known', 'drop');
    if (answer.status >= 300) throw refusal(this.#address, answer);
  }
}

/** The API: services are known by their names and looked up. */
export class ApiDestination implements Destination {
  readonly identity: string;
  readonly name: string;
  readonly #address: ServerAddress;
  readonly #registration: object | undefined;
  readonly #paths = new Map<string, string>();

  /** @param registration registers the service, when the server does not know it. */
  constructor(address: ServerAddress, name: string, registration: object | undefined) {
    this.identity = `api ${address.url}`;
    this.name = name;
    this.#address = address;
    this.#registration = registration;
  }

  async send(name: string, { kind, runId, message }: Signal, abort: AbortSignal): Promise<void> {
    const about = { ...(runId === null ? {} : { run_id: runId }), ...(message === null ? {} : { message }) };
    const path = this.#paths.get(name) ?? (await this.#lookUp(name, abort));
    this.#paths.set(name, path);
    const request =
      path === BY_NAME
        ? { path, body: { heartbeat_name: name, status: STATUS[kind], ...about } }
        : { path: `${path}/${kind}`, body: about };
    const answer = await attempt(this.#address, { method: 'POST', ...request, signal: abort });
    if (answer.status >= 300) throw refusal(this.#address, answer);
    resultsOrRefusal(this.#address, answer);
  }

  /** The path of a service's signals; a key that may write but not read reports by name instead. */
  async #lookUp(name: string, signal: AbortSignal): Promise<string> {
    const path = `/service/${encodeURIComponent(name)}`;
    const answer = await attempt(this.#address, { method: 'GET', path, signal });
    const unreadable = answer.status === 401 || answer.status === 403;
    const found = unreadable ? [] : (resultsOrRefusal(this.#address, answer) as { service_id: number }[]);
    if (found[0] !== undefined) return signalsOf(found[0].service_id);
    if (name === this.name && this.#registration !== undefined) return this.#register(signal);
    if (unreadable) return BY_NAME;
    throw new SendError(`${name} is not registered (--create registers it)`, 'drop');
  }

  async #register(signal: AbortSignal): Promise<string> {
    const body = this.#registration;
    const answer = await attempt(this.#address, { method: 'POST', path: '/v2/services', body, signal });
    // Another run, or somebody, has been faster.
    if (answer.status === 409) return BY_NAME;
    return signalsOf((resultsOrRefusal(this.#address, answer) as { service_id: number }).service_id);
  }
}

const BY_NAME = '/heartbeat';

function signalsOf(serviceId: number): string {
  return `/v2/heartbeat/${serviceId}`;
}

type Answer = Awaited<ReturnType<typeof exchange>>;

async function attempt(address: ServerAddress, request: Request): Promise<Answer> {
  try {
    return await exchange(address, request);
  } catch (error) {
    throw new SendError((error as Error).message, 'retry');
  }
}

function resultsOrRefusal(address: ServerAddress, answer: Answer): unknown {
  try {
    return resultsOf(address, answer);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw refusal(address, answer);
  }
}

/** A failure that may pass, or one that stays. */
function refusal(address: ServerAddress, answer: Answer): SendError {
  const { status } = answer;
  const message = messageOf(address, answer);
  if (status >= 500 || status === 408 || status === 429) return new SendError(message, 'retry');
  // Something else than Medic, or Medic without our key: the settings may be put right before the next run.
  const elsewhere = status < 400 || answer.document === undefined;
  return new SendError(message, elsewhere || status === 401 || status === 403 ? 'keep' : 'drop');
}
