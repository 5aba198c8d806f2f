import type { Static } from 'typebox';
import type { Database } from '../../platform/db.ts';
import { type AlertV2, alertV2 } from './resource.ts';
import { rowsById } from './store-view.ts';

/**
 * Alerts as `GET /v2/alerts` answers them; unknown ids are left out.
 * In: alerts. Out: nothing. Crash: nothing is left.
 */
export async function alertsById(
  db: Database,
  alertIds: readonly number[],
): Promise<Map<number, Static<typeof AlertV2>>> {
  if (alertIds.length === 0) return new Map();
  const rows = await rowsById(db, alertIds);
  return new Map([...rows].map(([id, row]) => [id, alertV2(row)]));
}
