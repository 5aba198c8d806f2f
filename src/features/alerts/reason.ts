/** Why an alert opened, and the words that name it (spec 03 section 1). */
export const ALERT_REASONS = {
  missed_heartbeat: 'Heartbeat failure for',
  reported_down: 'DOWN reported for',
  job_failed: 'Job failed for',
  stale_job: 'Stale job detected for',
  duration_exceeded: 'Job duration exceeded for',
} as const;
export type AlertReason = keyof typeof ALERT_REASONS;

export const ALERT_KINDS = ['service', 'stale_job', 'duration_exceeded'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

export function alertName(reason: AlertReason, heartbeatName: string): string {
  return `Medic - ${ALERT_REASONS[reason]} ${heartbeatName}`;
}
