/**
 * What the server says on stderr, as log entries. In: lines. Out: `onLog`, without the routine and without user data.
 * Crash: lines in the pipe are lost.
 */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Log } from './errors.ts';

/** Kind of process, SQLSTATE; makes each first line of a message recognizable. */
export const LOG_LINE_PREFIX = '%b|%e|';

const LINE = /^([^|]*)\|(\w{5})\|([A-Z0-9]+): +(.*)$/;
const KEPT_LINES = 20;

/** Shutting down, still starting: expected whenever the server stops or starts. */
const EXPECTED = new Set(['57P01', '57P03']);

/**
 * An error in a statement goes to the client that sent it, which logs it with its own care: the text can quote user
 * data. These classes concern the operator: resources, intervention, system, internal.
 */
const OPERATOR_CLASSES = new Set(['53', '57', '58', 'XX']);

/** Among the routine of level LOG: a part of the server crashed, or the last stop was not clean. */
const NOTABLE = /was terminated by|was not properly shut down|could not|corrupt/;

/** Forwards until the stream ends. @returns the last lines, for the message of a failed start */
export function followLog(stderr: Readable, onLog: Log): { lastLines(): string } {
  const kept: string[] = [];
  createInterface({ input: stderr, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
    const entry = readLine(line);
    if (entry.keep) kept.push(entry.message);
    if (kept.length > KEPT_LINES) kept.shift();
    if (entry.level) onLog(entry.level, entry.message, entry.fields);
  });
  return { lastLines: () => kept.join('\n') };
}

interface Entry {
  /** undefined: not forwarded */
  level?: 'warning' | 'error';
  message: string;
  fields?: Record<string, unknown>;
  keep: boolean;
}

/** Pure. Lines without the prefix come from the loader or a wrapper, or continue a message, which may be user data. */
export function readLine(line: string): Entry {
  const [, backend = '', sqlstate = '', severity = '', message = line] = LINE.exec(line) ?? [];
  if (severity === '') return { message: line, keep: !line.startsWith('\t') };
  const fields = { backend, sqlstate };
  if (severity === 'FATAL' || severity === 'PANIC') {
    if (EXPECTED.has(sqlstate)) return { message, keep: false };
    return { level: 'error', message, fields, keep: true };
  }
  if (severity === 'LOG' && NOTABLE.test(message)) return { level: 'warning', message, fields, keep: false };
  if (severity !== 'ERROR' && severity !== 'WARNING') return { message, keep: false };
  const operators = backend !== 'client backend' || OPERATOR_CLASSES.has(sqlstate.slice(0, 2));
  return operators ? { level: 'warning', message, fields, keep: false } : { message, keep: false };
}
