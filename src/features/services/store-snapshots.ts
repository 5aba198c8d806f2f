import { empty, join, type Sql } from 'sql-template-tag';
import { type Database, sql } from '../../platform/db.ts';
import type { Settings } from './settings.ts';
import type { SnapshotKind } from './snapshot-kind.ts';

/** What is kept of a service: its configuration and its mute, as JSON. */
export interface SnapshotData extends Settings {
  heartbeat_name: string;
  muted: boolean;
  date_muted: string | null;
  mute_until: string | null;
  mute_reason: string | null;
  down: boolean;
  date_added: string;
}

export interface NewSnapshot {
  serviceId: number;
  kind: SnapshotKind;
  data: SnapshotData;
  /** Of a deleted service only. */
  pingKey: string | null;
  actor: string;
  note: string | null;
  at: Date;
}

export interface SnapshotRow {
  snapshot_id: number;
  service_id: number;
  heartbeat_name: string;
  action_type: SnapshotKind;
  snapshot_data: SnapshotData;
  actor: string;
  actor_note: string | null;
  created_at: Date;
  restored_at: Date | null;
  restored_by: string | null;
}

/** The ping key is left out: it is a credential. */
const COLUMNS = sql`snapshot_id, service_id, heartbeat_name, action_type, snapshot_data, actor, actor_note, created_at,
  restored_at, restored_by`;

/** @returns the id. */
export async function insert(db: Database, snapshot: NewSnapshot): Promise<number> {
  const { serviceId, kind, data, pingKey, actor, note, at } = snapshot;
  const { rows } = await db.query<{ snapshot_id: number }>(sql`
    insert into medic.service_snapshots
      (service_id, heartbeat_name, action_type, snapshot_data, ping_key, actor, actor_note, created_at)
    values (${serviceId}, ${data.heartbeat_name}, ${kind}, ${JSON.stringify(data)}, ${pingKey}, ${actor}, ${note}, ${at})
    returning snapshot_id`);
  return rows[0]?.snapshot_id as number;
}

export interface Filter {
  serviceId?: number | undefined;
  kind?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

const NEWEST_FIRST = sql`order by created_at desc, snapshot_id desc`;

/** Newest first. Which snapshots are on the page is found first, so that only those are read whole. */
export async function list(
  db: Database,
  filter: Filter,
  page: { limit: number; offset: number },
): Promise<SnapshotRow[]> {
  const { rows } = await db.query<SnapshotRow>(sql`
    with page as (
      select snapshot_id from medic.service_snapshots ${where(filter)}
      ${NEWEST_FIRST} limit ${page.limit} offset ${page.offset}
    )
    select ${COLUMNS} from medic.service_snapshots join page using (snapshot_id) ${NEWEST_FIRST}`);
  return rows;
}

export async function count(db: Database, filter: Filter): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.service_snapshots ${where(filter)}`);
  return rows[0]?.count ?? 0;
}

function where({ serviceId, kind, from, to }: Filter): Sql {
  const conditions = [
    serviceId === undefined ? empty : sql`service_id = ${serviceId}`,
    kind === undefined ? empty : sql`action_type = ${kind}`,
    from === undefined ? empty : sql`created_at >= ${from}`,
    to === undefined ? empty : sql`created_at <= ${to}`,
  ].filter((condition) => condition !== empty);
  return conditions.length === 0 ? empty : sql`where ${join(conditions, ' and ')}`;
}

export async function find(db: Database, snapshotId: number): Promise<SnapshotRow | undefined> {
  const { rows } = await db.query<SnapshotRow>(sql`
    select ${COLUMNS} from medic.service_snapshots where snapshot_id = ${snapshotId}`);
  return rows[0];
}

/** As `find`, with the ping key of a deleted service; whoever else restores it waits. */
export async function lock(
  db: Database,
  snapshotId: number,
): Promise<(SnapshotRow & { ping_key: string | null }) | undefined> {
  const { rows } = await db.query<SnapshotRow & { ping_key: string | null }>(sql`
    select ${COLUMNS}, ping_key from medic.service_snapshots where snapshot_id = ${snapshotId} for update`);
  return rows[0];
}

export async function markRestored(
  db: Database,
  snapshotId: number,
  { at, by }: { at: Date; by: string },
): Promise<SnapshotRow> {
  const { rows } = await db.query<SnapshotRow>(sql`
    update medic.service_snapshots set restored_at = ${at}, restored_by = ${by}
    where snapshot_id = ${snapshotId} and restored_at is null
    returning ${COLUMNS}`);
  return rows[0] as SnapshotRow;
}

/** @returns how many. */
export async function deleteBefore(db: Database, before: Date, limit: number): Promise<number> {
  const { rowCount } = await db.query(sql`
    delete from medic.service_snapshots where snapshot_id in (
      select snapshot_id from medic.service_snapshots where created_at < ${before} order by created_at limit ${limit})`);
  return rowCount ?? 0;
}
