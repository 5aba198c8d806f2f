import type { Static } from 'typebox';
import type { Database } from '../../platform/db.ts';
import { recentOutages } from '../heartbeats/liveness.ts';
import { coveringWindows } from '../routing/maintenance.ts';
import { type ServiceV2, serviceV2 } from './resource.ts';
import * as store from './store.ts';

/** A service without what only callers with scope `write` may see. */
export type PublicService = Omit<Static<typeof ServiceV2>, 'ping_key' | 'ping_url'>;

/**
 * Rows of services as v2 answers them.
 * @param pingKeys whether they may be seen: by callers with scope `write` only (spec 01 section 2)
 */
export async function servicesV2(
  db: Database,
  rows: readonly store.ServiceRow[],
  { now, baseUrl, pingKeys }: { now: Date; baseUrl: string; pingKeys: boolean },
): Promise<Static<typeof ServiceV2>[]> {
  const ids = rows.map((row) => row.service_id);
  // One after the other: a transaction has one connection.
  const outages = await recentOutages(db, now);
  const covering = await coveringWindows(db, ids, now);
  return rows.map((row) => {
    const shown = serviceV2(row, { baseUrl, outages, covering: covering.get(row.service_id) });
    return pingKeys ? shown : { ...shown, ping_key: null, ping_url: null };
  });
}

/**
 * Services as `GET /v2/services` answers them, without their ping keys; unknown ids are left out.
 * In: services. Out: nothing. Crash: nothing is left.
 */
export async function servicesById(
  db: Database,
  serviceIds: readonly number[],
  at: { now: Date; baseUrl: string },
): Promise<Map<number, PublicService>> {
  if (serviceIds.length === 0) return new Map();
  const rows = await store.listByIds(db, serviceIds, at.now);
  const shown = await servicesV2(db, rows, { ...at, pingKeys: false });
  return new Map(
    shown.map(({ ping_key: _key, ping_url: _url, ...service }) => [service.service_id, service]),
  );
}
