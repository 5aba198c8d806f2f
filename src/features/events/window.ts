import type { EventType } from './event.ts';

/** An event that is ready to be sent. */
export interface Ready {
  position: number;
  type: EventType;
  text: string;
}

/** The newest events, shared by all readers of a process. */
export class Window {
  readonly #size: number;
  #events: Ready[] = [];
  /** Everything after this position, up to `last`, is here. */
  #floor: number;
  #last: number;

  constructor(size: number, start: number) {
    this.#size = size;
    this.#floor = start;
    this.#last = start;
  }

  /** The newest position. */
  get last(): number {
    return this.#last;
  }

  /** Whether a reader that has seen everything up to a position can go on from there. */
  reaches(position: number): boolean {
    return position >= this.#floor && position <= this.#last;
  }

  append(events: readonly Ready[]): void {
    this.#events.push(...events);
    this.#last = events.at(-1)?.position ?? this.#last;
    const excess = this.#events.length - this.#size;
    if (excess <= 0) return;
    this.#floor = this.#events[excess - 1]?.position ?? this.#floor;
    this.#events = this.#events.slice(excess);
  }

  /** The first event after a position. */
  after(position: number): Ready | undefined {
    let [from, to] = [0, this.#events.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#events[middle]?.position ?? 0) <= position) from = middle + 1;
      else to = middle;
    }
    return this.#events[from];
  }
}
