import type { Settings } from './config.ts';
import { credentialsIn } from './credentials.ts';
import { createLogger, type Logger, type LogOptions } from './logging.ts';

/** The log as the environment wants it; none of the credentials in the settings ever stands in it. */
export function configuredLogger(
  settings: Settings,
  instead: Pick<Partial<LogOptions>, 'level' | 'destination'> = {},
): Logger {
  return createLogger({
    level: settings.MEDIC_LOG_LEVEL,
    format: settings.MEDIC_LOG_FORMAT,
    environment: settings.MEDIC_ENVIRONMENT,
    version: settings.MEDIC_VERSION,
    secrets: credentialsIn(settings),
    ...instead,
  });
}
