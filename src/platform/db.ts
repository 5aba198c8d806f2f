import { once } from 'node:events';
import pg, { type PoolConfig, type QueryResult, type QueryResultRow } from 'pg';
import type { Logger } from './logging.ts';

export { default as sql } from 'sql-template-tag';

/** A statement: text with $1 … placeholders and its values. `name` makes it a prepared statement. */
export interface Statement {
  readonly text: string;
  readonly values?: unknown[];
  readonly name?: string;
}

/** Anything that runs a statement: the pool, or a transaction. Always the first parameter of a verb. */
export interface Database {
  query<Row extends QueryResultRow>(statement: Statement): Promise<QueryResult<Row>>;
}

/** A transaction in progress. */
export interface Transaction extends Database {
  /** Runs `effect` once the transaction is committed, and never when it is rolled back: counters, log lines. */
  afterCommit(effect: () => void): void;
}

export interface DatabasePool extends Database {
  readonly pool: pg.Pool;
  /** Runs `work` in one transaction: commits when it resolves, rolls back when it rejects. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Resolves when every connection is closed. */
  end(): Promise<void>;
}

/** Time of a statement in seconds, reported under its operation (`select`, `insert`, …). */
export type ObserveQuery = (operation: string, seconds: number) => void;

export interface DatabaseOptions {
  connection: PoolConfig;
  poolSize: number;
  log: Logger;
  observe?: ObserveQuery;
  onConnectionError?: () => void;
}

/** Longest wait for a free or new connection, and for the answer to one statement, in milliseconds. */
const CONNECT_TIMEOUT_MS = 4_000;
const STATEMENT_TIMEOUT_MS = 20_000;
const IDLE_TRANSACTION_TIMEOUT_MS = 30_000;

export function openDatabase(options: DatabaseOptions): DatabasePool {
  const { log, observe, onConnectionError } = options;
  const pool = new pg.Pool({
    ...options.connection,
    max: options.poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    // A process that is frozen in a transaction must not hold its locks for ever.
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'medic',
    types: { getTypeParser: parserFor },
  });
  const lost = (error: Error) => {
    onConnectionError?.();
    log.warn({ reason: errorCode(error) }, 'a database connection was lost');
  };
  pool.on('error', lost);
  const connected = new Set<pg.PoolClient>();
  pool.on('connect', (client) => {
    // A client that is in use reports its loss through the query it runs; without a listener Node would exit.
    client.on('error', () => {});
    connected.add(client);
    client.once('end', () => connected.delete(client));
  });

  async function timed<Row extends QueryResultRow>(
    target: { query(statement: Statement): Promise<QueryResult<Row>> },
    statement: Statement,
  ): Promise<QueryResult<Row>> {
    const started = performance.now();
    try {
      return await target.query(statement);
    } catch (error) {
      if (isUnavailable(error)) onConnectionError?.();
      throw error;
    } finally {
      observe?.(operationOf(statement.text), (performance.now() - started) / 1000);
    }
  }

  return {
    pool,
    query: (statement) => timed(pool, statement),
    transaction: async (work) => {
      const client = await pool.connect().catch((error: unknown) => {
        onConnectionError?.();
        throw error;
      });
      const effects: (() => void)[] = [];
      let broken: Error | undefined;
      try {
        await client.query('begin');
        const result = await work({
          query: (statement) => timed(client, statement),
          afterCommit: (effect) => void effects.push(effect),
        });
        await client.query('commit');
        for (const effect of effects) effect();
        return result;
      } catch (error) {
        // On a connection that does not answer, a rollback would only wait for the same silence once more.
        if (isUnavailable(error)) broken = error as Error;
        else
          await client.query('rollback').catch((rollbackError: Error) => {
            broken = rollbackError;
          });
        throw error;
      } finally {
        client.release(broken);
      }
    },
    end: async () => {
      await pool.end();
      // The pool resolves when it has said goodbye; a server that is stopped before it heard would log a loss.
      await Promise.all([...connected].map((client) => once(client, 'end')));
    },
  };
}

/** Ids are bigint in the database and far below 2^53: numbers here. */
const parserFor = ((oid: number, format: 'text' | 'binary') =>
  oid === pg.types.builtins.INT8
    ? Number
    : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser;

function operationOf(text: string): string {
  const word = /^\s*(\w+)/.exec(text)?.[1]?.toLowerCase() ?? 'other';
  return OPERATIONS.has(word) ? word : 'other';
}

const OPERATIONS: ReadonlySet<string> = new Set(['select', 'insert', 'update', 'delete', 'with']);

/** SQLSTATE of a refused statement, or the error code of the socket, or `error`. Never a database text. */
export function errorCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return 'error';
}

/** SQLSTATE classes that say "the server is not there now": connection failure, shutdown, too many clients. */
const UNAVAILABLE_STATES = /^(08|57P|53|58|25006)/;
const UNAVAILABLE_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
const UNAVAILABLE_TEXTS =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Cannot use a pool after)/;

/** True when the database could not be reached, as opposed to a statement that it refused. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isUnavailable);
  const code = errorCode(error);
  return (
    UNAVAILABLE_CODES.has(code) || UNAVAILABLE_STATES.test(code) || UNAVAILABLE_TEXTS.test(error.message)
  );
}

/** True when the statement gave up waiting for a lock, after `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return errorCode(error) === '55P03';
}

/** True when the statement would have stored a second row of what may exist once. */
export function isDuplicate(error: unknown): boolean {
  return errorCode(error) === '23505';
}
