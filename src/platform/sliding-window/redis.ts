import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { inTime } from '../in-time.ts';
import { SCRIPT, SCRIPT_SHA } from './script.ts';
import type { Taken } from './window.ts';

const PREFIX = 'medic:ratelimit:';
/** The longest wait for an answer: nobody waits longer for a limit than for what it protects. */
const COMMAND_TIMEOUT_MS = 250;
const CONNECT_TIMEOUT_MS = 2_000;
/** Of a single connection that was closed, such as an idle one, while the others work. */
const RECONNECT_MS = 500;
/** Buckets that one script asks at most: Redis does nothing else meanwhile. */
const MAX_BATCH = 256;

interface Question {
  bucket: string;
  limit: number;
  counts: boolean;
  resolve: (taken: Taken) => void;
  reject: (error: unknown) => void;
}

/**
 * The sliding window that processes share: one sorted set of requests for each bucket. What is asked in one turn of
 * the event loop goes to Redis as one script. Rejects when Redis does not answer in time.
 */
export class RedisWindow {
  readonly #clients: readonly Redis[];
  readonly #windowMs: number;
  readonly #process = randomBytes(9).toString('base64url');
  #requests = 0;
  #turn = 0;
  #waiting: Question[] = [];

  private constructor(clients: readonly Redis[], windowMs: number) {
    this.#clients = clients;
    this.#windowMs = windowMs;
  }

  /** Resolves when every connection of the pool stands and the script works; rejects after a few seconds at most. */
  static async connect(url: string, poolSize: number, windowMs: number): Promise<RedisWindow> {
    // Only those who use Redis wait for its client to be loaded.
    const { Redis } = await import('ioredis');
    // What `connect` rejects with says only that there is no connection.
    let trouble: Error | undefined;
    const clients = Array.from({ length: poolSize }, () => {
      const client = new Redis(url, {
        lazyConnect: true,
        enableOfflineQueue: false,
        maxRetriesPerRequest: 0,
        autoResendUnfulfilledCommands: false,
        connectTimeout: CONNECT_TIMEOUT_MS,
        commandTimeout: COMMAND_TIMEOUT_MS,
        retryStrategy: () => RECONNECT_MS,
        connectionName: 'medic',
      });
      client.on('error', (error) => {
        trouble = error;
      });
      return client;
    });
    const window = new RedisWindow(clients, windowMs);
    try {
      await inTime(Promise.all(clients.map((client) => client.connect())), CONNECT_TIMEOUT_MS);
      await window.probe();
      return window;
    } catch (error) {
      window.close();
      throw trouble ?? error;
    }
  }

  ask(bucket: string, limit: number, counts: boolean): Promise<Taken> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bucket, limit, counts, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#flush());
    });
  }

  /** @returns milliseconds that the script took on a bucket of its own, written included; rejects when it fails. */
  async probe(): Promise<number> {
    const started = performance.now();
    await this.#run([{ bucket: 'probe', limit: Number.MAX_SAFE_INTEGER, counts: true }]);
    return performance.now() - started;
  }

  close(): void {
    for (const client of this.#clients) client.disconnect();
  }

  #flush(): void {
    while (this.#waiting.length > 0) void this.#answer(this.#waiting.splice(0, MAX_BATCH));
  }

  async #answer(questions: readonly Question[]): Promise<void> {
    try {
      const answers = await this.#run(questions);
      questions.forEach(({ limit, resolve }, index) => {
        const [allowed, count = 0, resetInMs = 0] = answers.slice(index * 3, index * 3 + 3);
        resolve({ allowed: allowed === 1, limit, remaining: Math.max(0, limit - count), resetInMs });
      });
    } catch (error) {
      for (const { reject } of questions) reject(error);
    }
  }

  async #run(questions: readonly Pick<Question, 'bucket' | 'limit' | 'counts'>[]): Promise<number[]> {
    const args: (string | number)[] = questions.map(({ bucket }) => PREFIX + bucket);
    args.push(this.#windowMs);
    for (const { limit, counts } of questions) args.push(limit, counts ? this.#member() : '');
    const client = this.#client();
    try {
      return (await client.evalsha(SCRIPT_SHA, questions.length, ...args)) as number[];
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return (await client.eval(SCRIPT, questions.length, ...args)) as number[];
    }
  }

  /** Unlike that of any other request of any process. */
  #member(): string {
    this.#requests += 1;
    return `${this.#process}${this.#requests.toString(36)}`;
  }

  #client(): Redis {
    for (let tries = 0; tries < this.#clients.length; tries += 1) {
      this.#turn = (this.#turn + 1) % this.#clients.length;
      const client = this.#clients[this.#turn];
      if (client?.status === 'ready') return client;
    }
    throw new Error('no connection to Redis is open');
  }
}
