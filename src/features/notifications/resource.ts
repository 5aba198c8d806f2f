import { Type } from 'typebox';
import { Instant, Nullable } from '../../platform/schema.ts';
import type { DeliveryRow } from './store-deliveries.ts';

/** Where a delivery stands (spec 04 section 1). */
export const DELIVERY_STATUSES = [
  'pending',
  'retrying',
  'success',
  'failed',
  'cancelled',
  'skipped',
] as const;

/** One delivery as answers show it (spec 04 section 1). */
export const Delivery = Type.Object({
  delivery_id: Type.String(),
  alert_id: Type.Integer(),
  channel: Type.String(),
  event: Type.String(),
  destination: Type.String(),
  status: Type.String(),
  attempts: Type.Integer(),
  created_at: Instant,
  last_attempt_at: Nullable(Instant),
  response_code: Nullable(Type.Integer()),
  response_body: Nullable(Type.String()),
  error: Nullable(Type.String()),
  // Since when the destination refuses messages for good; null: it does not, as far as is known.
  destination_failing_since: Nullable(Instant),
});

export function deliveryOf(row: DeliveryRow) {
  return {
    ...row,
    created_at: row.created_at.toISOString(),
    last_attempt_at: row.last_attempt_at?.toISOString() ?? null,
    destination_failing_since: row.destination_failing_since?.toISOString() ?? null,
  };
}
