import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NODE } from '../fixtures/embedded-postgres-harness.ts';
import { GENEROUS } from './limits.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const PATH = process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin';

/** A Medic in a process of its own. */
export interface MedicProcess {
  readonly child: ChildProcess;
  /** Everything that was printed so far. */
  output(): string;
  /** The lines of its log. */
  lines(): Record<string, unknown>[];
  /** Where it listens; rejects with its output when it ends before it does. */
  url(): Promise<string>;
  /** How it ended, and after how many milliseconds from this call. */
  ended(): Promise<{ code: number | null; signal: string | null; ms: number }>;
}

const started: ChildProcess[] = [];

export interface HowToRun {
  /** `api`, `worker`, or nothing for both roles. */
  args?: string[];
  env?: Record<string, string>;
  options?: SpawnOptions;
  command?: string;
}

export function runMedic({ args = [], env = {}, options = {}, command }: HowToRun): MedicProcess {
  const [program, given] = command === undefined ? [NODE, [MAIN, ...args]] : [command, args];
  const child = spawn(program, given, {
    ...options,
    env: {
      PATH,
      PORT: '0',
      METRICS_PORT: '0',
      MEDIC_HOST: '127.0.0.1',
      MEDIC_AUTH_MODE: 'off',
      ...GENEROUS,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const closed = once(child, 'close');
  return {
    child,
    output: () => text,
    lines: () => text.split('\n').flatMap(parse),
    async url() {
      for (let i = 0; i < 3_000; i += 1) {
        const address = /listens on (http\S+)/.exec(text)?.[1];
        if (address !== undefined) return address;
        if (child.exitCode !== null || child.signalCode !== null) break;
        await sleep(10);
      }
      throw new Error(`Medic does not listen: ${text}`);
    },
    async ended() {
      const from = performance.now();
      await closed;
      return { code: child.exitCode, signal: child.signalCode, ms: performance.now() - from };
    },
  };
}

function parse(line: string): Record<string, unknown>[] {
  return line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : [];
}

/** Ends every Medic that still runs. */
export async function endMedics(): Promise<void> {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
}

export async function send(url: string, method: string, path: string, body?: unknown) {
  const response = await fetch(url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  return { status: response.status, headers: response.headers, text, body: json(text) as any };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function register(url: string, name: string, fields: Record<string, unknown> = {}) {
  const answer = await send(url, 'POST', '/v2/services', {
    heartbeat_name: name,
    service_name: name,
    alert_interval_seconds: 3600,
    ...fields,
  });
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`);
  return answer.body.results.service_id as number;
}

/** Clients that send heartbeats of one service one after the other, each with a run id of its own. */
export class Load {
  /** Run ids that were answered with 201. */
  readonly acknowledged = new Set<string>();
  /** How often each other status came, 0 for no answer at all. */
  readonly others = new Map<number, number>();
  /** Answers that are not what their status promises. */
  readonly odd: string[] = [];
  slowestMs = 0;
  #stopped = false;
  readonly #clients: Promise<void>[];

  constructor(url: string, name: string, clients = 32) {
    this.#clients = Array.from({ length: clients }, (_, client) => this.#run(url, name, client));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  async #run(url: string, name: string, client: number): Promise<void> {
    for (let n = 0; !this.#stopped; n += 1) {
      const id = `${client}-${n}`;
      const from = performance.now();
      try {
        const answer = await send(url, 'POST', '/heartbeat', {
          heartbeat_name: name,
          status: 'UP',
          run_id: id,
        });
        if (answer.status === 201) this.acknowledged.add(id);
        else this.#count(answer.status);
        const retry = answer.headers.get('retry-after');
        const fine =
          answer.status === 201 ||
          (answer.status === 503 && retry === '5' && answer.body?.success === false && answer.body.message);
        if (!fine) this.odd.push(`${answer.status} ${retry} ${answer.text}`);
        if (answer.status !== 201) await sleep(20);
      } catch {
        this.#count(0);
        await sleep(20);
      }
      this.slowestMs = Math.max(this.slowestMs, performance.now() - from);
    }
  }

  #count(status: number): void {
    this.others.set(status, (this.others.get(status) ?? 0) + 1);
  }
}

/** Repeats `probe` until it gives something, at most `ms`. */
export async function eventually<T>(
  what: string,
  ms: number,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const until = performance.now() + ms;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > until) throw new Error(`not within ${ms} ms: ${what}`, { cause: last });
    await sleep(50);
  }
}
