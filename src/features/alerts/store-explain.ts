import { type Database, sql } from '../../platform/db.ts';
import type { AlertState } from './machine.ts';

/** What decides, beside its routes, whether anybody is told about a service. */
export interface Standing {
  notification_mode: string;
  schedule_id: number | null;
  schedule_name: string | null;
  muted_at: Date | null;
  mute_until: Date | null;
  /** Of the active alert of the service itself. */
  alert_id: number | null;
  state: AlertState | null;
  last_message_at: Date | null;
}

export async function standingOf(db: Database, serviceId: number): Promise<Standing | undefined> {
  const { rows } = await db.query<Standing>(sql`
    select service.notification_mode, service.schedule_id, schedule.name as schedule_name, mute.muted_at,
      mute.mute_until, alert.alert_id, alert.state, alert.last_message_at
    from medic.services service
    left join medic.schedules schedule using (schedule_id)
    left join medic.mutes mute using (service_id)
    left join medic.alerts alert
      on alert.service_id = service.service_id and alert.kind = 'service' and alert.state <> 'closed'
    where service.service_id = ${serviceId}`);
  return rows[0];
}
