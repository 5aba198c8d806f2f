import { type Database, sql } from '../../platform/db.ts';

/** A destination that refuses messages for good, until it takes one again. */
/** @returns true when it was not known to fail. */
export async function recordFailing(
  db: Database,
  { lane, channel, destination }: { lane: string; channel: string; destination: string },
  failure: { code: number | null; error: string | null },
  now: Date,
  nextProbeAt: Date,
): Promise<boolean> {
  const { rows } = await db.query<{ isNew: boolean }>(sql`
    insert into medic.destinations (lane, channel, destination, failing_since, last_failed_at, next_probe_at,
      response_code, error)
    values (${lane}, ${channel}, ${destination}, ${now}, ${now}, ${nextProbeAt}, ${failure.code},
      ${failure.error ?? ''})
    on conflict (lane) do update set last_failed_at = excluded.last_failed_at,
      next_probe_at = excluded.next_probe_at, response_code = excluded.response_code, error = excluded.error
    returning failing_since = last_failed_at as "isNew"`);
  return rows[0]?.isNew === true;
}

/** @returns whether it was known to fail. */
export async function forgetFailing(db: Database, lane: string): Promise<boolean> {
  const { rowCount } = await db.query(sql`delete from medic.destinations where lane = ${lane}`);
  return rowCount === 1;
}

/** Of those who ask at the same time, one gets the probe. */
export async function takeProbe(db: Database, lane: string, now: Date, next: Date): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    update medic.destinations set next_probe_at = ${next} where lane = ${lane} and next_probe_at <= ${now}`);
  return rowCount === 1;
}

/** The alert and lane of a reminder that is held back, or undefined. */
export async function heldBack(
  db: Database,
  deliveryId: string,
): Promise<{ alert_id: number; lane: string } | undefined> {
  const { rows } = await db.query<{ alert_id: number; lane: string }>(sql`
    select alert_id, lane from medic.notifications
    where delivery_id = ${deliveryId} and event = 'reminder' and status = 'pending' and attempts = 0
      and exists (select from medic.destinations failing where failing.lane = notifications.lane)`);
  return rows[0];
}

/** @returns false when it is no longer pending. */
export async function skipReminder(db: Database, deliveryId: string, reason: string): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    update medic.notifications set status = 'skipped', next_attempt_at = null, error = ${reason}
    where delivery_id = ${deliveryId} and status = 'pending' and attempts = 0`);
  return rowCount === 1;
}

export async function forgetFailingOf(
  db: Database,
  of: { webhookId: number } | { targetId: number },
): Promise<void> {
  const suffix = suffixOf(of);
  await db.query(sql`delete from medic.destinations where right(lane, ${suffix.length}) = ${suffix}`);
}

/** How the lanes of a webhook or target end; migrations/011_destinations.sql makes them. */
function suffixOf(of: { webhookId: number } | { targetId: number }): string {
  return 'webhookId' in of ? `:w${of.webhookId}` : `:t${of.targetId}`;
}

/** Removes the state of destinations that nothing was sent to any more. @returns how many. */
export async function deleteFailingBefore(db: Database, before: Date, limit: number): Promise<number> {
  const { rowCount } = await db.query(sql`
    delete from medic.destinations where lane in (
      select lane from medic.destinations where last_failed_at < ${before} limit ${limit})`);
  return rowCount ?? 0;
}
