import { type Database, sql } from '../../platform/db.ts';
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
