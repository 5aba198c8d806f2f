import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect } from 'vitest';
import { createTestDatabase } from './database.ts';
import { eventually, type MedicProcess, runMedic, send } from './process.ts';

/** Processes of Medic on one database. */
export interface Site {
  run(role: string, env?: Record<string, string>): MedicProcess;
  query(text: string): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

export async function createSite(): Promise<Site> {
  const database = await createTestDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  // A connection that the end of the database finds still open.
  pool.on('error', () => {});
  return {
    run: (role, env = {}) =>
      runMedic({
        args: role === 'all' ? [] : [role],
        env: { DATABASE_URL: database.url, MEDIC_DB_POOL_SIZE: '4', ...env },
      }),
    query: async (text) => (await pool.query<Record<string, unknown>>(text)).rows,
    async close() {
      await pool.end();
      await database.drop();
    },
  };
}

export interface Outage {
  started_at: Date;
  ended_at: Date;
}

export async function outagesOf({ query }: Pick<Site, 'query'>): Promise<Outage[]> {
  return (await query(
    'select started_at, ended_at from medic.outages order by started_at',
  )) as unknown as Outage[];
}

export interface AlertRow {
  name: string;
  state: string;
  opened_at: Date;
}

export async function alertsOf({ query }: Pick<Site, 'query'>): Promise<AlertRow[]> {
  return (await query(`
    select alert.heartbeat_name as name, state, created_at as opened_at
    from medic.alerts alert order by alert_id`)) as unknown as AlertRow[];
}

/** Sends a sign of life of each service every few seconds, whether it is heard or not. */
export class Beats {
  readonly #stop = new AbortController();
  readonly #rounds: Promise<void>;

  constructor(url: string, names: readonly string[], everyMs = 3_000) {
    this.#rounds = this.#run(url, names, everyMs);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#rounds;
  }

  async #run(url: string, names: readonly string[], everyMs: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await Promise.all(names.map((name) => beat(url, name).catch(() => {})));
      await sleep(everyMs, undefined, { signal: this.#stop.signal }).catch(() => {});
    }
  }
}

/** @returns the status of the answer; rejects without one within 2 s. */
export async function beat(url: string, name: string): Promise<number> {
  const response = await fetch(`${url}/heartbeat`, {
    method: 'POST',
    body: JSON.stringify({ heartbeat_name: name, status: 'UP' }),
    signal: AbortSignal.timeout(2_000),
  });
  await response.text();
  return response.status;
}

export async function serviceOf(url: string, name: string) {
  const { body } = await send(url, 'GET', `/v2/services?heartbeat_name=${name}`);
  expect(body?.results.entries).toHaveLength(1);
  return body.results.entries[0];
}

/** Waits until a service is alerted. @returns the alert. */
export function alerted(site: Pick<Site, 'query'>, name: string, ms: number): Promise<AlertRow> {
  return eventually(`an alert of ${name}`, ms, async () =>
    (await alertsOf(site)).find((alert) => alert.name === name),
  );
}
