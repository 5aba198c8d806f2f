import sqlTag, { empty, join, raw, type Sql } from 'sql-template-tag';
import { type Database, sql } from '../../platform/db.ts';
import type { Settings } from './settings.ts';

/** A service with its state, mute and active alert. */
export interface ServiceRow extends Settings {
  service_id: number;
  heartbeat_name: string;
  ping_key: string;
  monitoring_since: Date;
  date_added: Date;
  date_modified: Date;
  signs: Date[];
  last_heartbeat_at: Date | null;
  last_status: string | null;
  alert_id: number | null;
  muted_at: Date | null;
  mute_until: Date | null;
  mute_reason: string | null;
  state: string;
}

/** The state of a service, the first that applies (spec 01 section 7); the one place of this rule. */
function stateAt(now: Date): Sql {
  return sql`case
    when not service.active then 'inactive'
    when state.alert_id is not null then 'down'
    -- A failure report without an alert is held back by a maintenance window.
    when state.failure_uncleared then 'late'
    when service.expected_cron is null
      and greatest(state.signs[service.threshold], service.monitoring_since)
        + service.alert_interval_seconds * interval '1 second' < ${now} then 'late'
    when service.expected_cron is not null and state.awaited_at < ${now}
      and greatest(state.signs[1], service.monitoring_since) < state.awaited_at then 'late'
    when not state.ever_alive then 'new'
    when state.last_status = 'DEGRADED' then 'degraded'
    else 'up'
  end`;
}

function rowsFrom(now: Date): Sql {
  return sql`
    select service.service_id, service.heartbeat_name, service.service_name, service.active,
      service.alert_interval_seconds, service.expected_cron, service.expected_timezone, service.threshold, service.grace_period_seconds, service.max_duration_ms,
      service.team, service.team_id, service.schedule_id, service.priority, service.runbook,
      service.notification_mode, service.ping_key, service.monitoring_since, service.date_added,
      service.date_modified, service.name_key, state.signs, state.last_heartbeat_at, state.last_status,
      state.alert_id, mute.muted_at, mute.mute_until, mute.reason as mute_reason, ${stateAt(now)} as state
    from medic.services service
    join medic.service_state state using (service_id)
    left join medic.mutes mute using (service_id)`;
}

/** Outer joins, so that the database leaves out those that neither the filter nor the order asks for. */
const SEARCHED = sql`
  medic.services service
  left join medic.service_state state using (service_id)
  left join medic.mutes mute using (service_id)`;

export async function findById(db: Database, serviceId: number, now: Date): Promise<ServiceRow | undefined> {
  const { rows } = await db.query<ServiceRow>(sql`${rowsFrom(now)} where service.service_id = ${serviceId}`);
  return rows[0];
}

export async function listByIds(
  db: Database,
  serviceIds: readonly number[],
  now: Date,
): Promise<ServiceRow[]> {
  const { rows } = await db.query<ServiceRow>(sql`
    ${rowsFrom(now)} where service.service_id = any(${serviceIds}) order by service.service_id`);
  return rows;
}

export async function findByNameKey(db: Database, key: string, now: Date): Promise<ServiceRow | undefined> {
  const { rows } = await db.query<ServiceRow>(sql`${rowsFrom(now)} where service.name_key = ${key}`);
  return rows[0];
}

export interface Filter {
  nameKey?: string | undefined;
  serviceName?: string | undefined;
  /** Substring of either name, any case. */
  q?: string | undefined;
  active?: boolean | undefined;
  muted?: boolean | undefined;
  down?: boolean | undefined;
  state?: string | undefined;
  team?: string | undefined;
  teamId?: number | undefined;
  priority?: string | undefined;
}

export const SORTS = ['service_id', 'heartbeat_name', 'service_name', 'last_heartbeat', 'priority'] as const;
export type Sort = (typeof SORTS)[number];

const SORT_COLUMN: Record<Sort, string> = {
  service_id: 'service.service_id',
  heartbeat_name: 'service.name_key',
  service_name: 'service.service_name',
  last_heartbeat: 'state.last_heartbeat_at',
  priority: 'service.priority',
};

export interface Selection {
  filter: Filter;
  sort: Sort;
  dir: 'asc' | 'desc';
  /** null: all. */
  limit: number | null;
  offset: number;
}

/** Which services are on the page is found first, so that only those are read whole, however many are skipped. */
export async function list(db: Database, selection: Selection, now: Date): Promise<ServiceRow[]> {
  const { sort, dir, limit, offset } = selection;
  const order = raw(`${SORT_COLUMN[sort]} ${dir} nulls last, service.service_id ${dir}`);
  const { rows } = await db.query<ServiceRow>(sql`
    with page as (
      select service.service_id from ${SEARCHED} ${where(selection.filter, now)}
      order by ${order} limit ${limit} offset ${offset}
    )
    ${rowsFrom(now)} join page using (service_id) order by ${order}`);
  return rows;
}

export async function count(db: Database, filter: Filter, now: Date): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from ${SEARCHED} ${where(filter, now)}`);
  return rows[0]?.count ?? 0;
}

function where(filter: Filter, now: Date): Sql {
  const { nameKey, serviceName, q, active, muted, down, state, team, teamId, priority } = filter;
  const conditions = [
    nameKey === undefined ? empty : sql`service.name_key = ${nameKey}`,
    serviceName === undefined ? empty : sql`service.service_name = ${serviceName}`,
    q === undefined
      ? empty
      : sql`(strpos(lower(service.heartbeat_name), lower(${q})) > 0 or strpos(lower(service.service_name), lower(${q})) > 0)`,
    active === undefined ? empty : sql`service.active = ${active}`,
    muted === undefined ? empty : sql`(mute.service_id is not null) = ${muted}`,
    down === undefined ? empty : sql`(state.alert_id is not null) = ${down}`,
    state === undefined ? empty : sql`${stateAt(now)} = ${state}`,
    team === undefined ? empty : sql`service.team = ${team}`,
    teamId === undefined ? empty : sql`service.team_id = ${teamId}`,
    priority === undefined ? empty : sql`service.priority = ${priority}`,
  ].filter((condition) => condition !== empty);
  return conditions.length === 0 ? empty : sqlTag`where ${join(conditions, ' and ')}`;
}

const COLUMNS = [
  'service_name',
  'active',
  'alert_interval_seconds',
  'expected_cron',
  'expected_timezone',
  'threshold',
  'grace_period_seconds',
  'max_duration_ms',
  'team',
  'team_id',
  'schedule_id',
  'priority',
  'runbook',
  'notification_mode',
] as const satisfies readonly (keyof Settings)[];

/** The configuration columns of a row. */
export function settingsIn(row: Settings): Settings {
  return Object.fromEntries(COLUMNS.map((column) => [column, row[column]])) as unknown as Settings;
}

export interface NewService {
  /** Of a service that comes back; undefined: the next one. */
  serviceId?: number;
  heartbeatName: string;
  nameKey: string;
  pingKey: string;
  settings: Settings;
  /** When it was first registered, if not now. */
  added?: Date;
  at: Date;
}

/** @returns the id, or undefined when the name is taken. */
export async function insert(db: Database, service: NewService): Promise<number | undefined> {
  const { serviceId, heartbeatName, nameKey, pingKey, settings, added, at } = service;
  const { rows } = await db.query<{ service_id: number }>(sql`
    insert into medic.services (service_id, heartbeat_name, name_key, ping_key, monitoring_since, date_added,
      date_modified, ${raw(COLUMNS.join(', '))})
    values (${serviceId ?? raw('default')}, ${heartbeatName}, ${nameKey}, ${pingKey}, ${at}, ${added ?? at}, ${at},
      ${join(COLUMNS.map((column) => settings[column]))})
    on conflict (name_key) do nothing
    returning service_id`);
  return rows[0]?.service_id;
}

/**
 * Writes what differs: a reference that was not asked to change may be cleared at the same time, since teams and
 * schedules are deleted without the lock of the service.
 */
export async function update(
  db: Database,
  before: ServiceRow,
  after: Settings,
  times: { modified: Date; monitoringSince: Date },
): Promise<void> {
  const changed = COLUMNS.filter((column) => before[column] !== after[column]);
  await db.query(sql`
    update medic.services set
      ${join([
        sql`date_modified = ${times.modified}`,
        sql`monitoring_since = ${times.monitoringSince}`,
        ...changed.map((column) => sql`${raw(column)} = ${after[column]}`),
      ])}
    where service_id = ${before.service_id}`);
}

/**
 * Which of the given references names nothing, or undefined. Those that exist are kept from being deleted until the
 * transaction ends.
 */
export async function missingReference(
  db: Database,
  { team_id, schedule_id }: { team_id: number | null; schedule_id: number | null },
): Promise<'team_id' | 'schedule_id' | undefined> {
  if (team_id !== null) {
    const { rowCount } = await db.query(sql`
      select from medic.teams where team_id = ${team_id}::bigint for key share`);
    if (rowCount === 0) return 'team_id';
  }
  if (schedule_id !== null) {
    const { rowCount } = await db.query(sql`
      select from medic.schedules where schedule_id = ${schedule_id}::bigint for key share`);
    if (rowCount === 0) return 'schedule_id';
  }
  return undefined;
}

/**
 * Keeps the rows of services that are about to be deleted, before anything that refers to them: whoever adds to a
 * service takes the locks in this order, too.
 */
export async function lock(db: Database, serviceIds: readonly number[]): Promise<void> {
  await db.query(sql`
    select from medic.services where service_id = any(${serviceIds}) order by service_id for update`);
}

export async function remove(db: Database, serviceId: number): Promise<void> {
  await db.query(sql`delete from medic.services where service_id = ${serviceId}`);
}

export async function setPingKey(db: Database, serviceId: number, pingKey: string, at: Date): Promise<void> {
  await db.query(sql`
    update medic.services set ping_key = ${pingKey}, date_modified = ${at} where service_id = ${serviceId}`);
}

export async function touch(db: Database, serviceId: number, at: Date): Promise<void> {
  await db.query(sql`update medic.services set date_modified = ${at} where service_id = ${serviceId}`);
}

export async function counts(db: Database): Promise<{ registered: number; active: number; muted: number }> {
  const { rows } = await db.query<{ registered: number; active: number; muted: number }>(sql`
    select count(*)::int as registered, (count(*) filter (where active))::int as active,
      (select count(*)::int from medic.mutes) as muted
    from medic.services`);
  return rows[0] ?? { registered: 0, active: 0, muted: 0 };
}
