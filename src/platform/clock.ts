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

/**
 * The process clock, corrected to the clock of the database, so that event times and deadlines of all
 * processes lie on one time line however wrong the clock of a single machine is.
 */
export class DatabaseClock implements Clock {
  #offsetMs = 0;
  #warned = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #pool: Pool;
  readonly #log: Logger;

  constructor(pool: Pool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  now(): Date {
    return new Date(Date.now() + this.#offsetMs);
  }

  /** Measures once, then every 10 s until `stop()`. Rejects when the first measurement fails. */
  async start(): Promise<void> {
    await this.#measure();
    this.#timer = setInterval(() => {
      this.#measure().catch(() => {
        // The database is away: the last known difference goes on to apply.
      });
    }, MEASURE_EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #measure(): Promise<void> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      const before = Date.now();
      const { rows } = await client.query<{ at: Date }>(sql`select clock_timestamp() as at`);
      const after = Date.now();
      const database = rows[0]?.at;
      if (database === undefined) return;
      const offset = Math.round(database.getTime() - (before + after) / 2);
      // Half of a slow round trip is the uncertainty of the measurement: a worse one does not replace a better one.
      const uncertain = (after - before) / 2;
      if (Math.abs(offset - this.#offsetMs) > uncertain) this.#offsetMs = offset;
      this.#report(offset);
    } catch (error) {
      broken = error as Error;
      throw error;
    } finally {
      client.release(broken);
    }
  }

  #report(offsetMs: number): void {
    const wrong = Math.abs(offsetMs) > TOLERATED_SKEW_MS;
    if (wrong && !this.#warned) {
      this.#log.warn(
        { skew_ms: -offsetMs },
        'the clock of this process differs from the database; its times are corrected',
      );
    }
    this.#warned = wrong;
  }
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
