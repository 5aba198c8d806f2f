import type { Address } from '../../src/features/notifications/channels/channel.ts';
import { enqueue } from '../../src/features/notifications/outbox.ts';
import { sql } from '../../src/platform/db.ts';
import type { TestMedic } from './medic.ts';

export interface Destination {
  channel: string;
  address: Address;
  webhookId?: number;
  targetId?: number;
}

/** Puts the newest event of each active alert, of one service or of all, into the outbox for further destinations. */
export async function tell(
  medic: TestMedic,
  destinations: readonly Destination[],
  { service, event }: { service?: string; event?: string } = {},
): Promise<void> {
  const { context } = medic.parts;
  const { rows } = await medic.db.query<{ alertId: number; alertEventId: number; event: string }>(sql`
    select distinct on (alert_id) alert_id as "alertId", alert_event_id as "alertEventId", event
    from medic.alert_events join medic.alerts using (alert_id)
    where heartbeat_name = ${service ?? null} or ${service === undefined}
    order by alert_id, alert_event_id desc`);
  await medic.db.transaction((tx) =>
    enqueue(
      tx,
      context,
      rows.flatMap((row) =>
        destinations.map((to) => ({
          ...row,
          ...to,
          event: event ?? row.event,
          destination: context.channels.get(to.channel)?.target.destinationOf(to.address) ?? to.channel,
          status: 'pending' as const,
          error: null,
        })),
      ),
      context.clock.now(),
    ),
  );
}
