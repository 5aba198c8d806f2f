import type { Readable } from 'node:stream';
import { MedicError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logging.ts';
import { repeat } from '../../platform/repeat.ts';
import type { Identity } from '../access/identity.ts';
import { standingOf } from '../access/standing.ts';
import type { Event } from './event.ts';
import { comment, frame, reset } from './frame.ts';
import { type PublishContext, publishAll } from './publish.ts';
import { Reader, type Subscription } from './reader.ts';
import * as store from './store.ts';
import { Window } from './window.ts';

/** From how many of the newest events a reader may resume (spec 10 section 7). */
const RESUMABLE = 1_000;
const BATCH = 500;
/** With readers: what is committed arrives within 1 s, published here and read here. */
const ROUND_MS = 200;
/** Without: the outbox is emptied, so that it stays small. */
const IDLE_MS = 1_000;
const CHECK_KEYS_MS = 2_000;
const SIGN_OF_LIFE_MS = 15_000;
const MOST_READERS = 1_000;
/** Sessions count with their key: one that only reads must not keep everybody else from reading. */
const MOST_OF_ONE_KEY = 250;

const STOPPING = new MedicError('overloaded', 'Medic is stopping, try again');

interface Joining {
  subscription: Subscription;
  resolve: (stream: Readable) => void;
  reject: (error: unknown) => void;
}

/**
 * The event stream of one process.
 * In: the events of all processes, in order. Out: the connections of its readers; as publisher, events.
 * Crash: readers connect to any process and resume from the last event they saw.
 */
export class EventStream {
  readonly #context: PublishContext & { log: Logger };
  readonly #stop = new AbortController();
  readonly #readers = new Set<Reader>();
  #joining: Joining[] = [];
  #window: Window | undefined;
  #loop: Promise<unknown> | undefined;
  #signsOfLife: NodeJS.Timeout | undefined;
  #nextPublication = 0;
  #nextCheck = 0;

  constructor(context: PublishContext & { log: Logger }) {
    this.#context = context;
  }

  /** How many connections are open. */
  get readers(): number {
    return this.#readers.size;
  }

  /** Begins to publish and to serve readers; repeating it changes nothing. */
  start(): void {
    if (this.#loop !== undefined || this.#stop.signal.aborted) return;
    this.#signsOfLife = setInterval(() => {
      for (const reader of this.#readers) reader.signOfLife();
    }, SIGN_OF_LIFE_MS).unref();
    this.#loop = repeat('events', this.#context.log, this.#stop.signal, async () => {
      await this.#round();
      return ROUND_MS;
    });
  }

  /**
   * Opens a connection. Rejects when the database is away, `unauthorized` when the key was revoked meanwhile, and
   * `overloaded` when there are too many already.
   */
  open(subscription: Subscription): Promise<Readable> {
    if (this.#stop.signal.aborted) throw STOPPING;
    this.#makeRoomFor(subscription.identity);
    this.start();
    return new Promise((resolve, reject) => {
      this.#joining.push({ subscription, resolve, reject });
    });
  }

  /** Ends every connection, and publishing. */
  async close(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#signsOfLife);
    this.#refuse(this.#joining, STOPPING);
    await this.#loop;
    for (const reader of this.#readers) reader.end();
  }

  #makeRoomFor({ apiKeyId }: Identity): void {
    const open = [...this.#readers, ...this.#joining.map(({ subscription }) => subscription)];
    const own = open.filter(({ identity }) => identity.apiKeyId === apiKeyId).length;
    if (open.length < MOST_READERS && (apiKeyId === null || own < MOST_OF_ONE_KEY)) return;
    throw new MedicError('overloaded', 'Too many event streams are open, try again');
  }

  async #round(): Promise<void> {
    const joining = this.#joining.splice(0);
    const idle = this.#readers.size + joining.length === 0;
    if (idle && performance.now() < this.#nextPublication) return;
    try {
      await publishAll(this.#context);
      this.#nextPublication = performance.now() + IDLE_MS;
      if (idle) this.#window = undefined;
      else await this.#serve(joining);
    } catch (error) {
      this.#refuse(joining, error);
      throw error;
    }
  }

  async #serve(joining: Joining[]): Promise<void> {
    await this.#read();
    await this.#admit(joining);
    for (const reader of this.#readers) reader.advance();
  }

  /** Brings the window up to date. */
  async #read(): Promise<void> {
    const { db } = this.#context;
    const window = this.#window;
    const first = await store.firstPosition(db);
    // Readers for whom this process was too slow fall out of the new window, and are told when they come back.
    if (window === undefined || (first !== null && first > window.last + 1)) {
      this.#window = windowOf(await store.listNewest(db, RESUMABLE + 1));
      return;
    }
    for (let more = true; more; ) {
      const events = await store.listAfter(db, window.last, BATCH);
      window.append(events.map(ready));
      more = events.length === BATCH;
    }
  }

  /** Lets in those who asked, and ends the connections of keys that do not stand any more. */
  async #admit(joining: Joining[]): Promise<void> {
    const due = performance.now() >= this.#nextCheck;
    if (joining.length === 0 && !due) return;
    const { db, clock } = this.#context;
    const now = clock.now();
    const callers = [...this.#readers, ...joining.map(({ subscription }) => subscription)].map(
      ({ identity }) => identity,
    );
    const standing = await standingOf(db, callers, { scope: 'read', now });
    this.#nextCheck = performance.now() + CHECK_KEYS_MS;
    for (const reader of this.#readers) {
      if (standing(reader.identity) !== reader.standing) reader.end();
    }
    for (const { subscription, resolve, reject } of joining) {
      const stands = standing(subscription.identity);
      if (stands === null) reject(new MedicError('unauthorized', 'Invalid API key'));
      else resolve(this.#join(subscription, stands, now));
    }
  }

  #join(subscription: Subscription, standing: string, now: Date): Readable {
    const window = () => this.#window ?? new Window(0, 0);
    const { last } = window();
    const { after } = subscription;
    const known = after === null || (after !== undefined && window().reaches(after));
    const position = known ? (after ?? last) : last;
    const greeting = known ? comment(position) : reset(last, now);
    const reader = new Reader(subscription, standing, { position, greeting }, window);
    this.#readers.add(reader);
    reader.stream.once('close', () => this.#readers.delete(reader));
    return reader.stream;
  }

  #refuse(joining: Joining[], error: unknown): void {
    for (const { reject } of joining.splice(0)) reject(error);
  }
}

function ready(event: Event) {
  return { position: event.position, type: event.type, text: frame(event) };
}

/** @param newest one more than the window holds, when there are so many: then nothing before it is promised. */
function windowOf(newest: readonly Event[]): Window {
  const [first] = newest;
  const whole = newest.length <= RESUMABLE;
  const window = new Window(RESUMABLE, first === undefined ? 0 : first.position - (whole ? 1 : 0));
  window.append((whole ? newest : newest.slice(1)).map(ready));
  return window;
}
