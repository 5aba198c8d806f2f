import pg from 'pg';
import type { DatabasePool } from './db.ts';
import { inTime } from './in-time.ts';
import { type Logger, named } from './logging.ts';
import { repeat } from './repeat.ts';

const CONNECT_TIMEOUT_MS = 4_000;
/** A connection that went silent, such as behind a firewall that forgot it, is found by this. */
const PROBE_EVERY_MS = 15_000;
const GOODBYE_MS = 500;

export interface Listening {
  channel: string;
  log: Logger;
  signal: AbortSignal;
  /** Called for each notification, and with an empty text after every (re)connection: something may have been missed. */
  onNotify(payload: string): void;
}

/**
 * Listens to a channel of PostgreSQL on a connection of its own until `signal`, and connects again when that is lost.
 * Notifications are hints: a pooler between Medic and the database may swallow them, so callers also look by themselves.
 */
export function listen(db: DatabasePool, { channel, log, signal, onNotify }: Listening): Promise<void> {
  let client: pg.Client | undefined;

  async function connect(): Promise<pg.Client> {
    const fresh = new pg.Client({
      ...db.pool.options,
      // The pool hides it from copies.
      password: db.pool.options.password,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      application_name: `medic ${channel}`,
    });
    fresh.on('error', () => {});
    fresh.once('end', () => {
      if (client === fresh) client = undefined;
    });
    fresh.on('notification', ({ payload }) => onNotify(payload ?? ''));
    await fresh.connect();
    await fresh.query(`listen ${pg.escapeIdentifier(channel)}`);
    return fresh;
  }

  const done = repeat(`listen ${channel}`, named(log, 'db'), signal, async () => {
    if (client === undefined) {
      client = await connect();
      onNotify('');
    } else {
      await client.query('select 1').catch(async (error: unknown) => {
        await hangUp();
        throw error;
      });
    }
    return PROBE_EVERY_MS;
  });

  async function hangUp(): Promise<void> {
    const old = client;
    client = undefined;
    // A server that is frozen never says goodbye.
    await inTime(old?.end() ?? Promise.resolve(), GOODBYE_MS).catch(() => {});
  }

  return done.then(hangUp);
}
