import { Readable } from 'node:stream';
import type { Identity } from '../access/identity.ts';
import type { EventType } from './event.ts';
import { comment } from './frame.ts';
import type { Window } from './window.ts';

/** What waits for a reader in this process at most, beside one event: more stays in the window, which all share. */
const BUFFERED_BYTES = 64 * 1024;
/** For a goodbye to arrive; then the connection is closed. */
const GOODBYE_MS = 1_000;

export interface Subscription {
  identity: Identity;
  /** Null: all. */
  types: ReadonlySet<EventType> | null;
  /** The last event that the reader has seen; null: it begins now; undefined: it names one that cannot exist. */
  after: number | null | undefined;
}

/** One connection: takes events out of the window as fast as its reader takes them from it. */
export class Reader {
  readonly stream: Readable;
  readonly identity: Identity;
  /** Of its caller when it was opened. */
  readonly standing: string;
  readonly #types: ReadonlySet<EventType> | null;
  readonly #window: () => Window;
  #position: number;
  #full = false;
  #ended = false;
  /** Where it was at the last sign of life. */
  #positionBefore = -1;

  constructor(
    { identity, types }: Subscription,
    standing: string,
    start: { position: number; greeting: string },
    window: () => Window,
  ) {
    this.identity = identity;
    this.standing = standing;
    this.#types = types;
    this.#window = window;
    this.#position = start.position;
    this.stream = new Readable({
      highWaterMark: BUFFERED_BYTES,
      read: () => {
        this.#full = false;
        this.advance();
      },
    });
    this.#push(start.greeting);
  }

  /** Hands over what the reader has room for. One that has fallen out of the window is disconnected. */
  advance(): void {
    const window = this.#window();
    if (!window.reaches(this.#position)) this.disconnect();
    while (!this.#full && !this.#ended) {
      const next = window.after(this.#position);
      if (next === undefined) {
        this.#position = window.last;
        return;
      }
      this.#position = next.position;
      if (this.#types?.has(next.type) !== false) this.#push(next.text);
    }
  }

  /** Says that the connection lives; disconnects a reader that has taken nothing since the last time. */
  signOfLife(): void {
    if (!this.#full) this.#push(comment(this.#position));
    else if (this.#position === this.#positionBefore) this.disconnect();
    this.#positionBefore = this.#position;
  }

  /** The regular end: what is on its way still arrives. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.stream.push(null);
    setTimeout(() => this.disconnect(), GOODBYE_MS).unref();
  }

  disconnect(): void {
    this.#ended = true;
    this.stream.destroy();
  }

  #push(text: string): void {
    if (!this.#ended) this.#full = !this.stream.push(text);
  }
}
