import type { Static } from 'typebox';
import type { Database } from '../../platform/db.ts';
import { recentOutages } from '../heartbeats/liveness.ts';
import { coveringWindows } from '../routing/maintenance.ts';
import { type ServiceV2, serviceV2 } from './resource.ts';
import * as store from './store.ts';

/** A service without what only callers with scope `write` may see. */
export type PublicService = Omit<Static<typeof ServiceV2>, 'ping_key' | 'ping_url'>;

/** Rows of services as v2 answers them. */
export async function servicesV2(
  db: Database,
  rows: readonly store.ServiceRow[],
  { now, baseUrl }: { now: Date; baseUrl: string },
): Promise<Static<typeof ServiceV2>[]> {
  const ids = rows.map((row) => row.service_id);
  // One after the other: a transaction has one connection.
  const outages = await recentOutages(db, now);
  const covering = await coveringWindows(db, ids, now);
  return rows.map((row) => serviceV2(row, { baseUrl, outages, covering: covering.get(row.service_id) }));
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
  const shown = await servicesV2(db, await store.listByIds(db, serviceIds, at.now), at);
  return new Map(
    shown.map(({ ping_key: _key, ping_url: _url, ...service }) => [service.service_id, service]),
  );
}
