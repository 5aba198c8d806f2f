import { type Database, sql } from '../../platform/db.ts';
import type { TriggerDefinition } from './playbook.ts';

/** Who defines a trigger (spec 06 section 2). */
export const MANAGERS = ['yaml', 'api'] as const;
export type Manager = (typeof MANAGERS)[number];

export interface TriggerRow extends TriggerDefinition {
  trigger_id: number;
  playbook_id: number;
  managed_by: Manager;
}

const COLUMNS = sql`trigger_id, playbook_id, service_pattern, consecutive_failures, enabled, managed_by`;

/** Newest first. */
export async function list(
  db: Database,
  playbookId: number,
  page: { limit: number; offset: number },
): Promise<TriggerRow[]> {
  const { rows } = await db.query<TriggerRow>(sql`
    select ${COLUMNS} from medic.triggers where playbook_id = ${playbookId}
    order by trigger_id desc limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function count(db: Database, playbookId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.triggers where playbook_id = ${playbookId}`);
  return rows[0]?.count ?? 0;
}

/** All of one manager, oldest first. */
export async function managedBy(db: Database, playbookId: number, manager: Manager): Promise<TriggerRow[]> {
  const { rows } = await db.query<TriggerRow>(sql`
    select ${COLUMNS} from medic.triggers where playbook_id = ${playbookId} and managed_by = ${manager}
    order by trigger_id`);
  return rows;
}

export async function find(
  db: Database,
  playbookId: number,
  triggerId: number,
): Promise<TriggerRow | undefined> {
  const { rows } = await db.query<TriggerRow>(sql`
    select ${COLUMNS} from medic.triggers where playbook_id = ${playbookId} and trigger_id = ${triggerId}`);
  return rows[0];
}

/** @returns its id. */
export async function insert(db: Database, trigger: Omit<TriggerRow, 'trigger_id'>): Promise<number> {
  const { rows } = await db.query<{ trigger_id: number }>(sql`
    insert into medic.triggers (playbook_id, service_pattern, consecutive_failures, enabled, managed_by)
    values (${trigger.playbook_id}, ${trigger.service_pattern}, ${trigger.consecutive_failures},
      ${trigger.enabled}, ${trigger.managed_by})
    returning trigger_id`);
  return (rows[0] as { trigger_id: number }).trigger_id;
}

export async function update(db: Database, trigger: TriggerRow): Promise<void> {
  await db.query(sql`
    update medic.triggers set service_pattern = ${trigger.service_pattern},
      consecutive_failures = ${trigger.consecutive_failures}, enabled = ${trigger.enabled}
    where trigger_id = ${trigger.trigger_id}`);
}

export async function remove(db: Database, triggerId: number): Promise<void> {
  await db.query(sql`delete from medic.triggers where trigger_id = ${triggerId}`);
}
