import { type Database, sql } from '../../platform/db.ts';
import type { StoredAddress } from './address.ts';
import type { Address } from './channels/channel.ts';
import type { AlertFacts } from './facts.ts';

/** A message to be sent, or the record of why it is not. */
export interface NewNotification {
  alertId: number;
  alertEventId: number;
  channel: string;
  event: string;
  /** Free of credentials. */
  destination: string;
  /** The configuration of the destination with its credentials in clear, or an address of the history as it is. */
  address: Address;
  status: 'pending' | 'skipped' | 'cancelled';
  /** Why it is not sent. */
  error: string | null;
  /** The webhook or target that it is written for. */
  webhookId?: number | null;
  targetId?: number | null;
  /** One of several of which one is enough, and its place in their order from 1. */
  chain?: { id: string; position: number } | null;
}

/** A notification that has or gets a job. */
export interface Queued {
  delivery_id: string;
  lane: string;
}

/** @returns those to be sent now: of several of which one is enough the first. */
export async function insertNotifications(
  db: Database,
  rows: readonly (NewNotification & { deliveryId: string; address: StoredAddress })[],
  now: Date,
): Promise<Queued[]> {
  const inserted = await db.query<Queued & { due: boolean }>(sql`
    insert into medic.notifications (delivery_id, alert_id, alert_event_id, channel, event, destination, address,
      status, error, webhook_id, target_id, chain_id, position, created_at, next_attempt_at, round)
    select delivery_id, alert_id, alert_event_id, channel, event, destination, address, status, error, webhook_id,
      target_id, chain_id, position, ${now},
      case when status = 'pending' and coalesce(position, 1) = 1 then ${now}::timestamptz end,
      case when position = 1 then 1 else 0 end
    from unnest(
      ${rows.map((row) => row.deliveryId)}::uuid[],
      ${rows.map((row) => row.alertId)}::bigint[],
      ${rows.map((row) => row.alertEventId)}::bigint[],
      ${rows.map((row) => row.channel)}::text[],
      ${rows.map((row) => row.event)}::text[],
      ${rows.map((row) => row.destination)}::text[],
      ${rows.map((row) => JSON.stringify(row.address))}::jsonb[],
      ${rows.map((row) => row.status)}::text[],
      ${rows.map((row) => row.error)}::text[],
      ${rows.map((row) => row.webhookId ?? null)}::integer[],
      ${rows.map((row) => row.targetId ?? null)}::integer[],
      ${rows.map((row) => row.chain?.id ?? null)}::uuid[],
      ${rows.map((row) => row.chain?.position ?? null)}::smallint[]
    ) with ordinality as new (delivery_id, alert_id, alert_event_id, channel, event, destination, address, status,
      error, webhook_id, target_id, chain_id, position, n)
    order by n
    returning delivery_id, lane, next_attempt_at is not null as due`);
  return inserted.rows.filter(({ due }) => due);
}

/**
 * A newer alert of the same service has the same PagerDuty incident as `notification`, which is about that one now: a
 * late resolve would end it, a late trigger would outlive it.
 */
const OVERTAKEN = sql`
  notification.channel = 'pagerduty' and exists (
    select from medic.alerts alert
    join medic.alerts newer on newer.service_id = alert.service_id and newer.alert_id > alert.alert_id
    join medic.notifications trigger on trigger.alert_id = newer.alert_id
    where alert.alert_id = notification.alert_id and alert.kind = 'service' and newer.kind = 'service'
      and trigger.event = 'opened' and trigger.channel = 'pagerduty'
      and trigger.lane = notification.lane
      -- One that waits for others to fail may never be sent.
      and (trigger.chain_id is null or trigger.attempts > 0)
      and trigger.status not in ('skipped', 'cancelled'))`;

/** An earlier message of the alert in the same lane is not final. */
const WAITING = sql`
  exists (
    select from medic.notifications earlier
    where earlier.alert_id = notification.alert_id and earlier.lane = notification.lane
      and earlier.sequence < notification.sequence and earlier.status in ('pending', 'retrying'))`;

/** A reminder that was not attempted yet, to a destination that refuses messages for good. */
const HELD_BACK = sql`
  notification.event = 'reminder' and notification.attempts = 0
  and exists (select from medic.destinations failing where failing.lane = notification.lane)`;

/**
 * Its webhook or target was disabled meanwhile and is sent nothing more (spec 04 sections 1, 4 and 9), except that the
 * end of an alert is told to whoever was told of it, whatever the routes say now (spec 03 section 5).
 */
const DISABLED = sql`(
  exists (
    select from medic.webhooks webhook where webhook.webhook_id = notification.webhook_id and not webhook.enabled)
  or notification.event not in ('recovered', 'closed') and exists (
    select from medic.targets target where target.target_id = notification.target_id and not target.enabled))`;

/** The alert of a notification that was overtaken before it was sent, or undefined. */
export async function overtakenAlert(db: Database, deliveryId: string): Promise<number | undefined> {
  const { rows } = await db.query<{ alert_id: number }>(sql`
    select alert_id from medic.notifications notification
    where delivery_id = ${deliveryId} and status in ('pending', 'retrying') and ${OVERTAKEN}`);
  return rows[0]?.alert_id;
}

/** Cancels what is left of an alert whose incident belongs to a newer one. */
export async function cancelOvertaken(db: Database, alertId: number): Promise<void> {
  await db.query(sql`
    update medic.notifications set status = 'cancelled', next_attempt_at = null,
      error = 'a newer alert has taken over the incident'
    where alert_id = ${alertId} and channel = 'pagerduty' and status in ('pending', 'retrying')`);
}

/**
 * Ends a notification whose webhook or target was disabled, unless an attempt that began after `leaseStart` is still
 * under way. The caller holds the alert.
 * @returns undefined when there is nothing to end.
 */
export async function endDisabled(
  db: Database,
  deliveryId: string,
  leaseStart: Date,
): Promise<Ended | undefined> {
  const { rows } = await db.query<Ended>(sql`
    update medic.notifications notification set next_attempt_at = null, error = 'disabled',
      status = case when attempts > 0 then 'failed' else 'skipped' end
    where delivery_id = ${deliveryId} and status in ('pending', 'retrying') and ${DISABLED}
      and not exists (
        select from medic.delivery_attempts attempt
        where attempt.delivery_id = notification.delivery_id and attempt.finished_at is null
          and attempt.started_at > ${leaseStart})
    returning alert_id, lane, channel, event, status`);
  return rows[0];
}

export interface Ended {
  alert_id: number;
  lane: string;
  channel: string;
  event: string;
  status: 'failed' | 'skipped';
}

/** The alert of a notification whose webhook or target was disabled, or undefined. */
export async function disabledAlert(db: Database, deliveryId: string): Promise<number | undefined> {
  const { rows } = await db.query<{ alert_id: number }>(sql`
    select alert_id from medic.notifications notification
    where delivery_id = ${deliveryId} and status in ('pending', 'retrying') and ${DISABLED}`);
  return rows[0]?.alert_id;
}

/** Of several of which one is enough, it is the turn of another. */
const NOT_ITS_TURN = sql`notification.chain_id is not null and notification.next_attempt_at is null`;

/** A notification whose attempt has begun. */
export interface Attempt {
  delivery_id: string;
  alert_id: number;
  channel: string;
  event: string;
  destination: string;
  address: Address;
  lane: string;
  facts: AlertFacts;
  attempt: number;
  /** Of several of which one is enough; null: it is one of its own. */
  chain_id: string | null;
  /** The destination refuses messages for good, as far as is known. */
  failing: boolean;
}

/**
 * Begins the next attempt of a notification, unless it is final, an earlier one in its lane is not, it was overtaken, it
 * is held back, or an attempt that began after `leaseStart` is still without result. An attempt that is older than that
 * and has no result (its worker died) is begun again under the same number.
 * @param probe begins it even when it is held back
 */
export async function beginAttempt(
  db: Database,
  deliveryId: string,
  now: Date,
  leaseStart: Date,
  probe = false,
): Promise<Attempt | undefined> {
  const { rows } = await db.query<Attempt>(sql`
    with next as (
      select notification.delivery_id,
        (select count(*) + 1 from medic.delivery_attempts done
         where done.delivery_id = notification.delivery_id and done.finished_at is not null)::smallint as attempt
      from medic.notifications notification
      where notification.delivery_id = ${deliveryId} and notification.status in ('pending', 'retrying')
        and not (${OVERTAKEN}) and not ${DISABLED} and not (${NOT_ITS_TURN}) and (${probe} or not (${HELD_BACK})) and not (${WAITING})
    ), begun as (
      -- The conflict is judged on the newest row, so that of two workers at the same moment one begins.
      insert into medic.delivery_attempts (delivery_id, attempt, started_at)
      select delivery_id, attempt, ${now} from next
      on conflict (delivery_id, attempt) do update set started_at = excluded.started_at
        where delivery_attempts.finished_at is null and delivery_attempts.started_at <= ${leaseStart}
      returning delivery_id, attempt
    )
    update medic.notifications notification
    set status = 'retrying', attempts = begun.attempt, last_attempt_at = ${now}
    from begun, medic.alert_events event
    where notification.delivery_id = begun.delivery_id and notification.status in ('pending', 'retrying')
      and event.alert_event_id = notification.alert_event_id
    returning notification.delivery_id, notification.alert_id, notification.channel, notification.event,
      notification.destination, notification.address, notification.lane, event.facts,
      notification.attempts as attempt, notification.chain_id,
      exists (select from medic.destinations failing where failing.lane = notification.lane) as failing`);
  return rows[0];
}

/** When the attempt that is in progress began, if the notification still waits for its result. */
export async function attemptInProgress(
  db: Database,
  deliveryId: string,
): Promise<(Queued & { started_at: Date }) | undefined> {
  const { rows } = await db.query<Queued & { started_at: Date }>(sql`
    select notification.delivery_id, notification.lane, attempt.started_at
    from medic.notifications notification
    join medic.delivery_attempts attempt using (delivery_id)
    where delivery_id = ${deliveryId} and notification.status in ('pending', 'retrying')
      and attempt.finished_at is null`);
  return rows[0];
}

export interface AttemptResult {
  outcome: 'sent' | 'retry' | 'failed';
  status: 'success' | 'retrying' | 'failed';
  nextAttemptAt: Date | null;
  code: number | null;
  body: string | null;
  error: string | null;
  reference: string | null;
}

/**
 * Records the result of an attempt, if that attempt is still the one in progress.
 * @returns false when it is not: another worker was faster, or the notification was cancelled.
 */
export async function finishAttempt(
  db: Database,
  { delivery_id, attempt }: Attempt,
  result: AttemptResult,
  now: Date,
): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    update medic.delivery_attempts set
      finished_at = ${now}, outcome = ${result.outcome}, response_code = ${result.code}, error = ${result.error}
    where delivery_id = ${delivery_id} and attempt = ${attempt} and finished_at is null`);
  if (rowCount !== 1) return false;
  const changed = await db.query(sql`
    update medic.notifications set
      status = ${result.status}, next_attempt_at = ${result.nextAttemptAt}, response_code = ${result.code},
      response_body = ${result.body}, error = ${result.error}, reference = ${result.reference}
    where delivery_id = ${delivery_id} and attempts = ${attempt} and status = 'retrying'`);
  return changed.rowCount === 1;
}

/** Serialises the end of a delivery with the changes of its alert, so that no successor is overlooked. */
export async function lockAlertOf(db: Database, alertId: number): Promise<void> {
  await db.query(sql`select from medic.alerts where alert_id = ${alertId} for no key update`);
}

/**
 * The same for a delivery on its own: several of an alert may end at once, but none while the alert changes. Waiting for
 * each other's commits they would keep the connections that all of them need.
 */
export async function shareAlertOf(db: Database, alertId: number): Promise<void> {
  await db.query(sql`select from medic.alerts where alert_id = ${alertId} for share`);
}

/** The first unfinished notification of an alert in a lane, unless its turn is to come, and when it is due. */
export async function nextInLane(
  db: Database,
  { alert_id, lane }: { alert_id: number; lane: string },
): Promise<(Queued & { due_at: Date }) | undefined> {
  const { rows } = await db.query<Queued & { due_at: Date | null }>(sql`
    select delivery_id, lane, next_attempt_at as due_at from medic.notifications
    where alert_id = ${alert_id} and lane = ${lane} and status in ('pending', 'retrying')
    order by sequence limit 1`);
  const [next] = rows;
  return next === undefined || next.due_at === null ? undefined : { ...next, due_at: next.due_at };
}

/**
 * Cancels what a closed alert no longer needs: reminders, and PagerDuty triggers that were never attempted
 * (spec 04 section 1, rules 4 and 5).
 */
export async function cancelObsolete(db: Database, alertIds: readonly number[]): Promise<void> {
  await db.query(sql`
    update medic.notifications set status = 'cancelled', next_attempt_at = null
    where alert_id = any(${alertIds}) and status in ('pending', 'retrying')
      and (event = 'reminder' or (channel = 'pagerduty' and event = 'opened' and attempts = 0))`);
}

export async function countUnfinished(db: Database): Promise<{ channel: string; count: number }[]> {
  const { rows } = await db.query<{ channel: string; count: number }>(sql`
    select channel, count(*)::int as count from medic.notifications
    where status in ('pending', 'retrying') group by channel`);
  return rows;
}

/** Notifications that are due since `since` and have no job: none in normal operation. */
export async function stranded(db: Database, since: Date): Promise<Queued[]> {
  const { rows } = await db.query<Queued>(sql`
    select notification.delivery_id, notification.lane
    from medic.notifications notification
    where notification.status in ('pending', 'retrying') and notification.next_attempt_at < ${since}
      and not exists (
        select from graphile_worker.jobs job
        where job.key = 'deliver:' || notification.delivery_id::text and job.attempts < job.max_attempts)
      and not (${WAITING})
    limit 500`);
  return rows;
}

/** Removes final notifications of closed alerts, in batches. @returns how many. */
export async function deleteFinishedBefore(db: Database, before: Date, limit: number): Promise<number> {
  const { rowCount } = await db.query(sql`
    delete from medic.notifications where delivery_id in (
      select notification.delivery_id from medic.notifications notification
      join medic.alerts alert using (alert_id)
      where notification.created_at < ${before} and notification.status not in ('pending', 'retrying')
        and alert.state = 'closed'
      limit ${limit})`);
  return rowCount ?? 0;
}
