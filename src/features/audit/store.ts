import { type Database, sql } from '../../platform/db.ts';
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
