import type { Settings } from '../../platform/config.ts';
import { type Logger, named } from '../../platform/logging.ts';

const HOUR_MS = 3_600_000;

/** Says what a mode leaves open: at once, and with `off` every hour until `signal` (spec 05 section 1). */
export function warnOfOpenMode(mode: Settings['MEDIC_AUTH_MODE'], log: Logger, signal: AbortSignal): void {
  const logger = named(log, 'access');
  if (mode === 'open-ingest') {
    logger.warn('heartbeats and job signals need no API key: MEDIC_AUTH_MODE is open-ingest');
  }
  if (mode !== 'off') return;
  const warn = () =>
    logger.warn('whoever reaches this server may do everything without an API key: MEDIC_AUTH_MODE is off');
  warn();
  const hourly = setInterval(warn, HOUR_MS);
  signal.addEventListener('abort', () => clearInterval(hourly));
}
