import { type Database, sql } from '../../platform/db.ts';
import type { TestFacts } from '../notifications/facts.ts';
import type { Routes } from './decide.ts';
import type { Schedule } from './hours.ts';

export interface ServiceRouting {
  service_id: number;
  notification_mode: Routes['mode'];
  timezone: string | null;
  hours: Schedule['hours'] | null;
}

/** How services are routed, and by which schedule. */
export async function routingOf(db: Database, serviceIds: readonly number[]): Promise<ServiceRouting[]> {
  const { rows } = await db.query<ServiceRouting>(sql`
    select service.service_id, service.notification_mode, schedule.timezone, schedule.hours
    from medic.services service
    left join medic.schedules schedule using (schedule_id)
    where service.service_id = any(${serviceIds})`);
  return rows;
}

/** What messages tell of a service; null when there is none. */
export async function serviceFacts(
  db: Database,
  serviceId: number,
): Promise<NonNullable<TestFacts['service']> | null> {
  const { rows } = await db.query<
    Omit<NonNullable<TestFacts['service']>, 'last_heartbeat'> & { last_heartbeat_at: Date | null }
  >(sql`
    select service_id, heartbeat_name, service_name, team, priority, runbook, state.last_heartbeat_at
    from medic.services
    join medic.service_state state using (service_id)
    where service_id = ${serviceId}`);
  const [row] = rows;
  if (row === undefined) return null;
  const { last_heartbeat_at, ...service } = row;
  return { ...service, last_heartbeat: last_heartbeat_at?.toISOString() ?? null };
}
