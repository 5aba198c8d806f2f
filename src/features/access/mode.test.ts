import { afterEach, expect, test, vi } from 'vitest';
import { createLogger } from '../../platform/logging.ts';
import { warnOfOpenMode } from './mode.ts';

const HOUR_MS = 3_600_000;

afterEach(() => vi.useRealTimers());

function warningsAfterTwoHours(mode: 'required' | 'open-ingest' | 'off'): string[] {
  vi.useFakeTimers();
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLogger({ level: 'DEBUG', format: 'json', environment: '', version: '', destination });
  const stop = new AbortController();
  warnOfOpenMode(mode, log, stop.signal);
  vi.advanceTimersByTime(2 * HOUR_MS);
  stop.abort();
  vi.advanceTimersByTime(2 * HOUR_MS);
  return lines.map((line) => JSON.parse(line)).map(({ level, message }) => `${level} ${message}`);
}

test('the mode off is told at the start and every hour', () => {
  const warnings = warningsAfterTwoHours('off');
  expect(warnings).toHaveLength(3);
  for (const warning of warnings) expect(warning).toMatch(/^WARNING .*MEDIC_AUTH_MODE is off/);
});

test('the mode open-ingest is told at the start, the mode required never', () => {
  expect(warningsAfterTwoHours('open-ingest')).toEqual([
    expect.stringMatching(/^WARNING .*MEDIC_AUTH_MODE is open-ingest/),
  ]);
  expect(warningsAfterTwoHours('required')).toEqual([]);
});
