import { type EmbeddedPostgres, startEmbeddedPostgres } from './platform/embedded-postgres.ts';
import { type Logger, named } from './platform/logging.ts';

const LEVEL = { info: 'info', warning: 'warn', error: 'error' } as const;

/** Starts the database of a data folder; it reports to the log. Throws as `startEmbeddedPostgres` does. */
export function startEmbedded(dataDir: string, log: Logger): Promise<EmbeddedPostgres> {
  const pgLog = named(log, 'postgres');
  return startEmbeddedPostgres({
    dataDir,
    onLog: (level, message, fields) => pgLog[LEVEL[level]]({ ...fields }, message),
  });
}
