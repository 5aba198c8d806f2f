import type { Place } from './decision.ts';

/** What was written about an alert before, oldest first. */
export interface Earlier extends Place {
  event: string;
  status: string;
  attempts: number;
  /** One of several of which one success is enough. */
  chained: boolean;
}

/** A PagerDuty trigger that was sent or may still be. */
export function isIncident({ channel, event, status }: Earlier): boolean {
  return channel === 'pagerduty' && event === 'opened' && status !== 'skipped' && status !== 'cancelled';
}

/** An opening or reminder that was sent, or may still be. */
export function wasTold({ event, status, attempts }: Earlier): boolean {
  return (
    (event === 'opened' || event === 'reminder') &&
    status !== 'skipped' &&
    (status !== 'cancelled' || attempts > 0)
  );
}

export function distinct<P extends Place>(places: readonly P[]): P[] {
  return places.filter((one, index) => !places.slice(0, index).some((other) => isSame(other, one)));
}

/** Webhooks at the same URL differ in headers and secret. */
export function isSame(one: Place, other: Place): boolean {
  return (
    one.channel === other.channel &&
    one.destination === other.destination &&
    one.identity === other.identity &&
    (one.channel !== 'webhook' || (one.webhookId === other.webhookId && one.targetId === other.targetId))
  );
}
