import type { Database, DatabasePool, Statement } from '../../src/platform/db.ts';

export interface Recorded {
  statement: Statement;
  ms: number;
}

/** Notes every statement that goes through a database handle, and how long its answer took. */
export class Recorder {
  #recorded: Recorded[] | undefined;

  start(): void {
    this.#recorded = [];
  }

  stop(): Recorded[] {
    const recorded = this.#recorded ?? [];
    this.#recorded = undefined;
    return recorded;
  }

  note(statement: Statement, started: number): void {
    this.#recorded?.push({ statement, ms: performance.now() - started });
  }
}

export function recording(inner: DatabasePool): { recorder: Recorder; db: DatabasePool } {
  const recorder = new Recorder();
  const noting = (target: Database): Database['query'] =>
    async function query(statement) {
      const started = performance.now();
      try {
        return await target.query(statement);
      } finally {
        recorder.note(statement, started);
      }
    };
  const db: DatabasePool = {
    pool: inner.pool,
    query: noting(inner),
    transaction: (work) =>
      inner.transaction((tx) => work({ query: noting(tx), afterCommit: (effect) => tx.afterCommit(effect) })),
    end: () => inner.end(),
  };
  return { recorder, db };
}

/** Total time by statement, longest first. */
export function byStatement(
  recorded: readonly Recorded[],
): { statement: string; calls: number; ms: number }[] {
  const totals = new Map<string, { statement: string; calls: number; ms: number }>();
  for (const { statement, ms } of recorded) {
    const text = statement.text.trim().replace(/\s+/g, ' ').slice(0, 70);
    const total = totals.get(text) ?? { statement: text, calls: 0, ms: 0 };
    total.calls += 1;
    total.ms += ms;
    totals.set(text, total);
  }
  return [...totals.values()].sort((one, other) => other.ms - one.ms);
}
