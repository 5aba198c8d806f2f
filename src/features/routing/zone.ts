import { CronError, canonicalZone } from '../../platform/cron.ts';
import { invalid } from '../../platform/errors.ts';

/** The name of a time zone in its own spelling. Throws `bad_request`, naming `timezone`. */
export function zoneOf(timezone: string): string {
  try {
    return canonicalZone(timezone);
  } catch (error) {
    if (error instanceof CronError) throw invalid('timezone', error.message);
    throw error;
  }
}
