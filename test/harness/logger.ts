import { createLogger, type Logger } from '../../src/platform/logging.ts';

/** A logger that keeps its lines for a test to read. */
export function recordingLogger(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: 'DEBUG',
    format: 'json',
    environment: 'test',
    version: 'test',
    destination: { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  return { log, lines };
}

export function silentLogger(): Logger {
  return createLogger({
    level: 'ERROR',
    format: 'json',
    environment: 'test',
    version: 'test',
    destination: { write: () => {} },
  });
}
