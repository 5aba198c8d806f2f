import type { Static } from 'typebox';
import type { Database } from '../../platform/db.ts';
import { recentOutages } from '../heartbeats/liveness.ts';
import { type ServiceV2, serviceV2 } from './resource.ts';
import * as store from './store.ts';

/** A service without what only callers with scope `write` may see. */
export type PublicService = Omit<Static<typeof ServiceV2>, 'ping_key' | 'ping_url'>;

/**
 * Services as `GET /v2/services` answers them, without their ping keys; unknown ids are left out.
 * In: services. Out: nothing. Crash: nothing is left.
 */
export async function servicesById(
  db: Database,
  serviceIds: readonly number[],
  { now, baseUrl }: { now: Date; baseUrl: string },
): Promise<Map<number, PublicService>> {
  if (serviceIds.length === 0) return new Map();
  const rows = await store.listByIds(db, serviceIds, now);
  const outages = await recentOutages(db, now);
  return new Map(
    rows.map((row) => {
      const { ping_key: _key, ping_url: _url, ...service } = serviceV2(row, { baseUrl, outages });
      return [row.service_id, service];
    }),
  );
}
