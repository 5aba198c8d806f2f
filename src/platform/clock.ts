import type { Pool } from 'pg';
import { sql } from './db.ts';
import type { Logger } from './logging.ts';

/** The only source of "now". Read once per request or tick and passed on as a value. */
export interface Clock {
  /** Present instant, millisecond precision, on the time line of the database. */
  now(): Date;
}

/** Difference, in milliseconds, above which a process clock is reported as wrong (spec README, convention 1). */
const TOLERATED_SKEW_MS = 500;
const MEASURE_EVERY_MS = 10_000;
/** Times of the database come in whole milliseconds, cut off. */
const RESOLUTION_MS = 1;

/**
 * The monotonic clock of the process, set by the clock of the database, so that event times and deadlines of all
 * processes lie on one time line however wrong the clock of a single machine is. That somebody sets the clock of the
 * machine while this process runs therefore changes nothing: an hour lost or gained until the next measurement would
 * be an outage that never was, and deadlines that never passed.
 */
export class DatabaseClock implements Clock {
  /** What `performance.now()` lacks to the time of the database; until it is measured, to that of the machine. */
  #offsetMs = machineOffset();
  /** What it lacked to the time of the machine at the last look. */
  #machineOffsetMs = this.#offsetMs;
  #measured = false;
  #warned = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #pool: Pool;
  readonly #log: Logger;

  constructor(pool: Pool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  now(): Date {
    this.#noticeJump();
    return new Date(performance.now() + this.#offsetMs);
  }

  /** Measures once, then every 10 s until `stop()`. Rejects when the first measurement fails. Safe to repeat. */
  async start(): Promise<void> {
    await this.#measure();
    this.stop();
    this.#timer = setInterval(() => this.#measureIfPossible(), MEASURE_EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #measureIfPossible(): void {
    this.#measure().catch(() => {
      // The database is away: the last known difference goes on to apply.
    });
  }

  /** The clock of the machine was set, or the monotonic one stood still while the machine slept: which, is measured. */
  #noticeJump(): void {
    const machine = machineOffset();
    if (Math.abs(machine - this.#machineOffsetMs) <= TOLERATED_SKEW_MS) return;
    this.#machineOffsetMs = machine;
    if (this.#timer !== undefined) this.#measureIfPossible();
  }

  async #measure(): Promise<void> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      const before = performance.now();
      const { rows } = await client.query<{ at: Date }>(sql`select clock_timestamp() as at`);
      const after = performance.now();
      const database = rows[0]?.at;
      if (database === undefined) return;
      const offset = database.getTime() - (before + after) / 2;
      // Half of a slow round trip is the uncertainty of the measurement: a worse one does not replace a better one.
      const uncertain = (after - before) / 2 + RESOLUTION_MS;
      if (!this.#measured || Math.abs(offset - this.#offsetMs) > uncertain) this.#offsetMs = offset;
      this.#measured = true;
      this.#machineOffsetMs = machineOffset();
      this.#report(this.#machineOffsetMs - this.#offsetMs);
    } catch (error) {
      broken = error as Error;
      throw error;
    } finally {
      client.release(broken);
    }
  }

  #report(skewMs: number): void {
    const wrong = Math.abs(skewMs) > TOLERATED_SKEW_MS;
    if (wrong && !this.#warned) {
      this.#log.warn(
        { skew_ms: Math.round(skewMs) },
        'the clock of this process differs from the database; its times are corrected',
      );
    }
    this.#warned = wrong;
  }
}

function machineOffset(): number {
  return Date.now() - performance.now();
}

/** A clock that moves only when told to, for tests. */
export class ManualClock implements Clock {
  #at: number;

  constructor(start: Date) {
    this.#at = start.getTime();
  }

  now(): Date {
    return new Date(this.#at);
  }

  advance(milliseconds: number): void {
    this.#at += milliseconds;
  }
}
