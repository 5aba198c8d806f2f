import type { AlertFacts } from '../../src/features/notifications/facts.ts';

/** An opening with every text of a user set to what `text` makes of its name. */
export function factsWith(text: (member: string) => string): AlertFacts {
  return {
    event: 'opened',
    occurred_at: '2026-03-08T08:30:00.000Z',
    alert: {
      alert_id: 7,
      alert_name: text('alert_name'),
      kind: 'service',
      reason: 'missed_heartbeat',
      run_id: null,
      active: true,
      alert_cycle: 1,
      created_date: '2026-03-08T08:30:00.000Z',
      closed_date: null,
      close_reason: null,
      url: 'https://medic.example.com/ui/alerts/7',
    },
    service: {
      service_id: 3,
      heartbeat_name: text('heartbeat_name'),
      service_name: text('service_name'),
      team: text('team'),
      priority: 'p2',
      runbook: text('runbook'),
      last_heartbeat: '2026-03-07T08:05:00.000Z',
    },
    run: null,
    outage_seconds: null,
    report: { message: text('message'), run_id: null },
    acknowledgement: null,
  };
}
