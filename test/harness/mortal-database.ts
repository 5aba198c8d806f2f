import type { PoolClient } from 'pg';
import type { DatabasePool } from '../../src/platform/db.ts';

/** Where the process dies: at its n-th statement, before that is sent or after it was done but not answered. */
export interface Death {
  statement: number;
  when: 'before' | 'after';
}

/** The database as a process sees it that dies at a chosen statement: from then on every connection is cut. */
export interface MortalDatabase {
  /** Counts statements anew and dies as told; undefined: lives. */
  die(at: Death | undefined): void;
  readonly dead: boolean;
  /** Resolves when it dies, in this life. */
  readonly death: Promise<void>;
}

type Query = (...args: unknown[]) => unknown;

/** Makes the process that uses `db`, which nobody has used yet, mortal. Real statements go to the real database. */
export function mortal(db: DatabasePool): MortalDatabase {
  let fate: Death | undefined;
  let count = 0;
  let dead = false;
  let death = Promise.withResolvers<void>();

  db.pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as Query;
    const cut = () => {
      dead = true;
      death.resolve();
      (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    };
    client.query = ((...args: unknown[]) => {
      count += 1;
      const now = dead || (fate !== undefined && count === fate.statement);
      if (!now) return query(...args);
      if (dead || fate?.when === 'before') {
        cut();
        return query(...args);
      }
      const lost = () => new Error('Connection terminated unexpectedly');
      const callback = args.at(-1);
      if (typeof callback === 'function') {
        return query(...args.slice(0, -1), () => {
          cut();
          callback(lost());
        });
      }
      return (query(...args) as Promise<unknown>).then(() => {
        cut();
        throw lost();
      });
    }) as PoolClient['query'];
  });

  return {
    die(at) {
      fate = at;
      count = 0;
      dead = false;
      death = Promise.withResolvers();
    },
    get dead() {
      return dead;
    },
    get death() {
      return death.promise;
    },
  };
}
