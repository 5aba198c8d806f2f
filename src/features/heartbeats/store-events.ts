import { type Database, sql } from '../../platform/db.ts';
import type { Status } from './status.ts';

/** One accepted report on its way into the database. */
export interface Item {
  /** How the service is named: exactly one of the three. */
  service: { nameKey: string } | { pingKey: string } | { serviceId: number };
  status: Status;
  receivedAt: Date;
  source: 'api' | 'signal' | 'ping';
  runId: string | null;
  message: string | null;
}

/**
 * What became of an item. `deferred`: the service is failing, or this report says so or belongs to a run; it is
 * judged with its alert and its run.
 */
export type Fate = 'recorded' | 'unknown' | 'inactive' | 'deferred';

export interface FateRow {
  n: number;
  fate: Fate;
  service_id: number | null;
  heartbeat_name: string | null;
}

const columns = (items: readonly Item[]) => [
  items.map((_, index) => index),
  items.map(({ service }) => ('nameKey' in service ? service.nameKey : null)),
  items.map(({ service }) => ('pingKey' in service ? service.pingKey : null)),
  items.map(({ service }) => ('serviceId' in service ? service.serviceId : null)),
  items.map((item) => item.status),
  items.map((item) => item.receivedAt),
  items.map((item) => item.source),
  items.map((item) => item.runId),
  items.map((item) => item.message),
];

/** The ways to name a service, and the condition that finds it. */
const LOOK_UP = {
  nameKey: 'name_key = item.name_key',
  pingKey: 'ping_key = item.ping_key',
  serviceId: 'service_id = item.id',
};
type Way = keyof typeof LOOK_UP;
const WAYS = Object.keys(LOOK_UP) as Way[];

/** Signals with a run id also update the run. */
const IS_RUN_SIGNAL = `(run_id is not null and status in ('STARTED', 'COMPLETED', 'FAILED'))`;

/**
 * Stores the signs of life of healthy services in one statement: events and states, rows locked in id order.
 * Each state is looked up by its id: a join over all of them is planned as a comparison of every item with every
 * service as long as the tables have no statistics, five times as slow.
 * Only `last_*`, `signs` and `late` change, none of them indexed, so that the row is updated in place (HOT).
 */
const recordStatement = (ways: readonly Way[]) => ({
  name: `record-healthy-${ways.join('-')}`,
  text: `
    with item as (
      select * from unnest($1::int[], $2::text[], $3::uuid[], $4::int[], $5::text[], $6::timestamptz[], $7::text[],
          $8::text[], $9::text[])
        as item (n, name_key, ping_key, id, status, received_at, source, run_id, message)
    ), known as materialized (
      select item.*, service.service_id, service.heartbeat_name, service.active, service.threshold
      from item left join lateral (
        ${ways.map((way) => `select * from medic.services where ${LOOK_UP[way]}`).join(' union all ')}
      ) service on true
    ), candidate as (
      select service_id from known where active
      group by service_id having not bool_or(status in ('DOWN', 'FAILED') or ${IS_RUN_SIGNAL})
      order by service_id
    ), healthy as materialized (
      select state.service_id from candidate cross join lateral (
        select service_id from medic.service_state
        where service_id = candidate.service_id and alert_id is null and not failure_uncleared
        for no key update
      ) state
    ), stored as (
      insert into medic.heartbeats (service_id, received_at, status, source, run_id, message)
      select service_id, received_at, status, source, run_id, message
      from known join healthy using (service_id)
      order by n
    ), newest as (
      select service_id, threshold,
        array_agg(received_at order by received_at desc, n desc) as signs,
        (array_agg(status order by received_at desc, n desc))[1] as status
      from known join healthy using (service_id)
      group by service_id, threshold
    ), moved as (
      update medic.service_state state set
        signs = case
          when newest.threshold = 1 then array[greatest(newest.signs[1], state.signs[1])]
          else (select array_agg(sign order by sign desc) from unnest(newest.signs || state.signs) sign)[1:newest.threshold]
        end,
        ever_alive = true,
        -- One sign ends it, or the next look of the detector.
        late = state.late and newest.threshold > 1,
        last_status = case
          when newest.signs[1] >= coalesce(state.last_heartbeat_at, newest.signs[1]) then newest.status
          else state.last_status
        end,
        last_heartbeat_at = greatest(newest.signs[1], state.last_heartbeat_at)
      from newest where newest.service_id = state.service_id
    )
    select known.n, known.service_id, known.heartbeat_name,
      case
        when known.service_id is null then 'unknown'
        when not known.active then 'inactive'
        when healthy.service_id is null then 'deferred'
        else 'recorded'
      end as fate
    from known left join healthy using (service_id)
    order by known.n`,
});

export async function recordHealthy(db: Database, items: readonly Item[]): Promise<FateRow[]> {
  const used = WAYS.filter((way) => items.some(({ service }) => way in service));
  const { rows } = await db.query<FateRow>({ ...statementFor(used), values: columns(items) });
  return rows;
}

const statements = new Map<string, ReturnType<typeof recordStatement>>();

/** A batch in which all services are named in one way is looked up in one index. */
function statementFor(ways: readonly Way[]): ReturnType<typeof recordStatement> {
  const key = ways.join();
  const statement = statements.get(key) ?? recordStatement(ways);
  statements.set(key, statement);
  return statement;
}

/** Stores events as they are, without touching any state. `service_id` null is left out. */
export async function insertEvents(
  db: Database,
  events: readonly { serviceId: number; item: Item }[],
): Promise<void> {
  const [, , , , statuses, times, sources, runIds, messages] = columns(events.map((event) => event.item));
  await db.query(sql`
    insert into medic.heartbeats (service_id, received_at, status, source, run_id, message)
    select * from unnest(
      ${events.map((event) => event.serviceId)}::int[], ${times}::timestamptz[], ${statuses}::text[],
      ${sources}::text[], ${runIds}::text[], ${messages}::text[])`);
}

/** The newest signs of life of a service, newest first: for a threshold that grew. */
export async function newestSigns(db: Database, serviceId: number, count: number): Promise<Date[]> {
  const { rows } = await db.query<{ received_at: Date }>(sql`
    select received_at from medic.heartbeats
    where service_id = ${serviceId} and status not in ('DOWN', 'FAILED')
    order by received_at desc limit ${count}`);
  return rows.map((row) => row.received_at);
}

/** No event that is stored by now has a greater id. */
export async function newestEventId(db: Database): Promise<number> {
  const { rows } = await db.query<{ id: number }>(sql`select last_value as id from medic.heartbeat_id_seq`);
  return rows[0]?.id ?? 0;
}

/** Removes those events of a service in a period whose ids are not greater than `upTo`. */
export async function deleteEvents(
  db: Database,
  serviceId: number,
  upTo: number,
  { from, to }: { from: Date; to: Date },
): Promise<void> {
  await db.query(sql`
    delete from medic.heartbeats
    where service_id = ${serviceId} and heartbeat_id <= ${upTo} and received_at >= ${from} and received_at < ${to}`);
}

/** An event with its service. */
export interface EventRow {
  heartbeat_id: number;
  heartbeat_name: string;
  service_name: string;
  received_at: Date;
  status: Status;
  team: string;
  priority: string;
  run_id: string | null;
}

/** Events, newest first. */
export async function newestEvents(
  db: Database,
  filter: { nameKey: string | undefined; serviceName: string | undefined; limit: number },
): Promise<EventRow[]> {
  const { nameKey, serviceName, limit } = filter;
  const { rows } = await db.query<EventRow>(sql`
    select event.heartbeat_id, service.heartbeat_name, service.service_name, event.received_at, event.status,
      service.team, service.priority, event.run_id
    from medic.heartbeats event
    join medic.services service using (service_id)
    where ${nameKey === undefined ? sql`true` : sql`event.service_id = (select service_id from medic.services where name_key = ${nameKey})`}
      and ${serviceName === undefined ? sql`true` : sql`service.service_name = ${serviceName}`}
    order by event.received_at desc, event.heartbeat_id desc
    limit ${limit}`);
  return rows;
}
