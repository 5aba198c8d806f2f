import type { Static } from 'typebox';
import type { Database } from '../../platform/db.ts';
import { type Delivery, deliveryOf } from './resource.ts';
import { byIds } from './store-deliveries.ts';

/**
 * Deliveries as their alert shows them; unknown ids are left out.
 * In: notifications. Out: nothing. Crash: nothing is left.
 */
export async function deliveriesById(
  db: Database,
  deliveryIds: readonly string[],
): Promise<Map<string, Static<typeof Delivery>>> {
  if (deliveryIds.length === 0) return new Map();
  const rows = await byIds(db, deliveryIds);
  return new Map(rows.map((row) => [row.delivery_id, deliveryOf(row)]));
}
