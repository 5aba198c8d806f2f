import { empty, join, type Sql } from 'sql-template-tag';
import { type Database, sql, type Transaction } from '../../platform/db.ts';
import type { ActionType } from './entry.ts';

export interface NewEntry {
  action: ActionType;
  executionId?: number | null;
  playbookId?: number | null;
  serviceId?: number | null;
  details: object;
  actor: string | null;
  at: Date;
}

export async function insert(db: Database, entries: readonly NewEntry[]): Promise<void> {
  await db.query(sql`
    insert into medic.audit_entries (action_type, execution_id, playbook_id, service_id, details, actor, occurred_at)
    select action_type, execution_id, playbook_id, service_id, details, actor, at
    from unnest(
      ${entries.map((entry) => entry.action)}::text[],
      ${entries.map((entry) => entry.executionId ?? null)}::bigint[],
      ${entries.map((entry) => entry.playbookId ?? null)}::int[],
      ${entries.map((entry) => entry.serviceId ?? null)}::int[],
      ${entries.map((entry) => storable(entry.details))}::jsonb[],
      ${entries.map((entry) => entry.actor)}::text[],
      ${entries.map((entry) => entry.at)}::timestamptz[]
    ) with ordinality as entry (action_type, execution_id, playbook_id, service_id, details, actor, at, n)
    order by n`);
}

/** PostgreSQL stores neither NUL nor half of a surrogate pair; an entry is not refused for a text that holds one. */
function storable(details: object): string {
  return JSON.stringify(details, (_name, value: unknown) =>
    typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\ufffd') : value,
  );
}

export interface EntryRow {
  log_id: number;
  execution_id: number | null;
  playbook_id: number | null;
  service_id: number | null;
  action_type: ActionType;
  details: object;
  actor: string | null;
  occurred_at: Date;
}

export interface Filter {
  executionId?: number | undefined;
  serviceId?: number | undefined;
  playbookId?: number | undefined;
  action?: ActionType | undefined;
  actor?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

const COLUMNS = sql`log_id, execution_id, playbook_id, service_id, action_type, details, actor, occurred_at`;
const NEWEST_FIRST = sql`order by occurred_at desc, log_id desc`;

/** Which entries are on the page is found in the index alone, however many are skipped. */
export async function list(
  db: Database,
  filter: Filter,
  page: { limit: number; offset: number },
): Promise<EntryRow[]> {
  const { rows } = await db.query<EntryRow>(sql`
    with page as (
      select log_id from medic.audit_entries where ${matching(filter)}
      ${NEWEST_FIRST} limit ${page.limit} offset ${page.offset}
    )
    select ${COLUMNS} from medic.audit_entries join page using (log_id) ${NEWEST_FIRST}`);
  return rows;
}

/** The next entries that are older than `last`, so that a batch costs the same wherever it lies. */
export async function listAfter(
  db: Database,
  filter: Filter,
  last: EntryRow | undefined,
  limit: number,
): Promise<EntryRow[]> {
  const { rows } = await db.query<EntryRow>(sql`
    select ${COLUMNS} from medic.audit_entries
    where ${matching(filter)}
      and ${last === undefined ? sql`true` : sql`(occurred_at, log_id) < (${last.occurred_at}, ${last.log_id})`}
    ${NEWEST_FIRST} limit ${limit}`);
  return rows;
}

export async function count(db: Database, filter: Filter): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.audit_entries where ${matching(filter)}`);
  return rows[0]?.count ?? 0;
}

function matching({ executionId, serviceId, playbookId, action, actor, from, to }: Filter): Sql {
  const conditions = [
    sql`true`,
    executionId === undefined ? empty : sql`execution_id = ${executionId}`,
    serviceId === undefined ? empty : sql`service_id = ${serviceId}`,
    playbookId === undefined ? empty : sql`playbook_id = ${playbookId}`,
    action === undefined ? empty : sql`action_type = ${action}`,
    actor === undefined ? empty : sql`actor = ${actor}`,
    from === undefined ? empty : sql`occurred_at >= ${from}`,
    to === undefined ? empty : sql`occurred_at <= ${to}`,
  ].filter((condition) => condition !== empty);
  return join(conditions, ' and ');
}

/** Removes entries in one statement of a transaction of retention, the only one that may. @returns how many. */
export async function deleteBefore(tx: Transaction, before: Date, limit: number): Promise<number> {
  await tx.query(sql`set local medic.audit_retention = 'on'`);
  const { rowCount } = await tx.query(sql`
    delete from medic.audit_entries where log_id in (
      select log_id from medic.audit_entries where occurred_at < ${before} order by occurred_at limit ${limit})`);
  return rowCount ?? 0;
}
