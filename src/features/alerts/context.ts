import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/logging.ts';
import type { RoutingContext } from '../routing/dispatch.ts';
import type { AlertMetrics } from './metrics.ts';

/** What the verbs of alerts need beside the database and the instant. */
export interface AlertContext extends RoutingContext {
  clock: Clock;
  log: Logger;
  alertMetrics: AlertMetrics;
  /** `MEDIC_REMINDER_MIN_SECONDS`. */
  reminderMinSeconds: number;
  /** `MEDIC_BASE_URL`, for links to alerts. */
  baseUrl: string;
}
