import { setTimeout as sleep } from 'node:timers/promises';
import { type Destination, SendError, type Signal } from './destination.ts';
import { delayedMessage } from './message.ts';
import type { Delivered, Entry, Spool } from './spool.ts';

/** Of one attempt (spec 08 section 2.1). */
const ATTEMPT_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Something that went wrong, as it is told to the user. */
export interface Problem {
  /** Such as `start`; undefined when it is not about a signal of this run. */
  about?: string;
  message: string;
}

/** Tells the server about one run. Never throws: what cannot be told is kept, or noted as a problem. */
export class Reporter {
  readonly problems: Problem[] = [];
  readonly #destination: Destination;
  readonly #spool: Spool;
  readonly #retries: number;
  readonly #now: () => Date;
  readonly #cut = new AbortController();
  /** Why the signals of earlier runs could not be sent. */
  #reason: string | undefined;
  /** Signals go out one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(parts: { destination: Destination; spool: Spool; retries: number; now: () => Date }) {
    this.#destination = parts.destination;
    this.#spool = parts.spool;
    this.#retries = parts.retries;
    this.#now = parts.now;
  }

  /** Resolves when the signal is delivered, kept or given up; signals before it are first. */
  report(entry: Entry): Promise<void> {
    this.#last = this.#last.then(() => this.#deliver(entry));
    return this.#last;
  }

  /** Ends all waiting: what is not delivered by now is kept. */
  cut(): void {
    this.#cut.abort();
  }

  async #deliver(entry: Entry): Promise<void> {
    const { kind, runId, message } = entry;
    try {
      if (!(await this.#sendEarlier())) {
        this.#keep(entry, this.#reason ?? 'there was no time left');
        return;
      }
      await this.#attempts(entry.name, { kind, runId, message });
    } catch (error) {
      if (!(error instanceof SendError)) throw error;
      if (error.fate === 'drop') this.problems.push({ about: wordFor(entry), message: error.message });
      else this.#keep(entry, error.message);
    }
  }

  /** Signals of earlier runs go first. @returns whether none is left. */
  #sendEarlier(): Promise<boolean> {
    const stop = () => this.#cut.signal.aborted;
    return this.#spool.replay((entry) => this.#sendLate(entry), stop, this.#now());
  }

  async #sendLate(entry: Entry): Promise<Delivered> {
    const signal: Signal = {
      kind: entry.kind,
      // Counted from its late start, the run would look much shorter than it was; without a start its duration is
      // unknown to the server, which is true.
      runId: entry.kind === 'start' ? null : entry.runId,
      message: delayedMessage(
        { at: entry.at, runId: entry.runId, durationMs: entry.durationMs },
        entry.message,
      ),
    };
    try {
      await this.#attempts(entry.name, signal);
      return 'sent';
    } catch (error) {
      if (!(error instanceof SendError)) throw error;
      if (error.fate !== 'drop') {
        this.#reason = error.message;
        return 'later';
      }
      this.problems.push({
        message: `a kept signal of ${entry.name} from ${entry.at} was refused: ${error.message}`,
      });
      return 'dropped';
    }
  }

  /** As many attempts as the user allows, with growing pauses. */
  async #attempts(name: string, signal: Signal): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      if (this.#cut.signal.aborted) throw new SendError('there was no time left', 'keep');
      const abort = AbortSignal.any([AbortSignal.timeout(ATTEMPT_MS), this.#cut.signal]);
      try {
        await this.#destination.send(name, signal, abort);
        return;
      } catch (error) {
        const passing = error instanceof SendError && error.fate === 'retry';
        if (!passing || attempt >= this.#retries) throw error;
      }
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS);
      await sleep(pause, undefined, { signal: this.#cut.signal }).catch(() => {});
    }
  }

  #keep(entry: Entry, reason: string): void {
    const about = wordFor(entry);
    try {
      this.#spool.append(entry);
      this.problems.push({ about, message: `${reason}; kept for the next run` });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.problems.push({
        about,
        message: `${reason}; lost, because ${this.#spool.directory} failed: ${code}`,
      });
    }
  }
}

function wordFor({ kind }: Entry): string {
  return kind === 'start' ? 'start' : 'end';
}
