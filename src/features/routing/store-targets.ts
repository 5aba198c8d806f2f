import { type Database, sql } from '../../platform/db.ts';
import type { Configured } from './configure.ts';
import type { Period } from './destination.ts';

export interface TargetRow extends Configured {
  target_id: number;
  service_id: number;
  type: string;
  priority: number;
  enabled: boolean;
  period: Period;
}

const COLUMNS = sql`target_id, service_id, type, config, destination, address, priority, enabled, period`;

/** In the order in which they are told: by priority, then id. */
export async function list(
  db: Database,
  serviceId: number,
  page: { limit: number; offset: number },
): Promise<TargetRow[]> {
  const { rows } = await db.query<TargetRow>(sql`
    select ${COLUMNS} from medic.targets where service_id = ${serviceId}
    order by priority, target_id limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function count(db: Database, serviceId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.targets where service_id = ${serviceId}`);
  return rows[0]?.count ?? 0;
}

/** Of several services, in the order in which they are told. */
export async function ofServices(db: Database, serviceIds: readonly number[]): Promise<TargetRow[]> {
  const { rows } = await db.query<TargetRow>(sql`
    select ${COLUMNS} from medic.targets where service_id = any(${serviceIds})
    order by service_id, priority, target_id`);
  return rows;
}

export async function find(
  db: Database,
  serviceId: number,
  targetId: number,
): Promise<TargetRow | undefined> {
  const { rows } = await db.query<TargetRow>(sql`
    select ${COLUMNS} from medic.targets where service_id = ${serviceId} and target_id = ${targetId}`);
  return rows[0];
}

export async function lock(
  db: Database,
  serviceId: number,
  targetId: number,
): Promise<TargetRow | undefined> {
  const { rows } = await db.query<TargetRow>(sql`
    select ${COLUMNS} from medic.targets
    where service_id = ${serviceId} and target_id = ${targetId} for update`);
  return rows[0];
}

export async function insert(db: Database, target: Omit<TargetRow, 'target_id'>): Promise<number> {
  const { rows } = await db.query<{ target_id: number }>(sql`
    insert into medic.targets (service_id, type, config, destination, address, priority, enabled, period)
    values (${target.service_id}, ${target.type}, ${JSON.stringify(target.config)}, ${target.destination},
      ${JSON.stringify(target.address)}, ${target.priority}, ${target.enabled}, ${target.period})
    returning target_id`);
  return (rows[0] as { target_id: number }).target_id;
}

export async function update(db: Database, target: TargetRow): Promise<void> {
  await db.query(sql`
    update medic.targets set
      type = ${target.type}, config = ${JSON.stringify(target.config)}, destination = ${target.destination},
      address = ${JSON.stringify(target.address)}, priority = ${target.priority}, enabled = ${target.enabled},
      period = ${target.period}
    where target_id = ${target.target_id}`);
}

/** @returns whether there was one. */
export async function remove(db: Database, serviceId: number, targetId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    delete from medic.targets where service_id = ${serviceId} and target_id = ${targetId}`);
  return rowCount === 1;
}

/** Those of one service. @returns the ids. */
export async function removeOf(db: Database, serviceId: number): Promise<number[]> {
  const { rows } = await db.query<{ target_id: number }>(sql`
    delete from medic.targets where service_id = ${serviceId} returning target_id`);
  return rows.map((row) => row.target_id);
}

/** Has those that add something to a service do so one after the other. @returns whether there is such a service. */
export async function lockService(db: Database, serviceId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    select from medic.services where service_id = ${serviceId} for no key update`);
  return rowCount === 1;
}

export async function isService(db: Database, serviceId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`select from medic.services where service_id = ${serviceId}`);
  return rowCount === 1;
}
