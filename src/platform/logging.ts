import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { lineMaskOf } from './masked-lines.ts';

export type Logger = PinoLogger;
export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';
export type LogFormat = 'json' | 'text' | 'otel';

export interface LogOptions {
  level: LogLevel;
  format: LogFormat;
  environment: string;
  version: string;
  /** Values that no line may show, whoever logs them in whatever text (G9). */
  secrets?: readonly string[];
  /** Where lines go; standard output when left out. */
  destination?: DestinationStream;
}

const PINO_LEVEL = { DEBUG: 'debug', INFO: 'info', WARNING: 'warn', ERROR: 'error' } as const;
const LEVEL_NAME: Record<string, LogLevel> = {
  trace: 'DEBUG',
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'ERROR',
};
/** OpenTelemetry severity numbers, spec 07 section 3. */
const SEVERITY_NUMBER: Record<LogLevel, number> = { DEBUG: 5, INFO: 9, WARNING: 13, ERROR: 17 };

/** Paths that never reach a line, whoever logs the object (G9). */
const NEVER_LOGGED = [
  'authorization',
  'cookie',
  'headers.authorization',
  'headers.cookie',
  'req.headers',
  'ping_key',
  'routing_key',
  'token',
  'password',
];

/**
 * The log of a process: one JSON object per line (`json`), `time - logger - level - message` (`text`) or an
 * OpenTelemetry log record (`otel`); spec 07 section 3. Control characters inside values are escaped.
 * Lines are written through `named` children, which carry the member `logger`.
 */
export function createLogger(options: LogOptions): Logger {
  const output = options.destination ?? pino.destination({ dest: 1, sync: true });
  const shaped = options.format === 'json' ? output : reshaping(options, output);
  return pino(
    {
      level: PINO_LEVEL[options.level],
      base: { service: 'medic', environment: options.environment },
      messageKey: 'message',
      errorKey: 'exception',
      timestamp: () => `,"timestamp":"${pino.stdTimeFunctions.isoTime().slice(9, -1)}"`,
      formatters: { level: (label) => ({ level: LEVEL_NAME[label] ?? 'INFO' }) },
      redact: { paths: NEVER_LOGGED, remove: true },
      serializers: { exception: describeError, err: describeError },
    },
    options.secrets === undefined ? shaped : masking(options.secrets, shaped),
  );
}

/** A logger for one part of the program; its name stands in the member `logger`. */
export function named(log: Logger, name: string): Logger {
  return log.child({ logger: `medic.${name}` });
}

/**
 * Errors as `{type, message, stack}`, with the chain of causes in the stack. What PostgreSQL says about a value quotes
 * it, and the value may be a credential: of those texts only the code is kept.
 */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const causes: string[] = [];
  for (let cause = error.cause; cause instanceof Error && causes.length < 5; cause = cause.cause) {
    causes.push(`caused by: ${stackOf(cause)}`);
  }
  const stack = [stackOf(error), ...causes].join('\n');
  return { type: error.name, message: messageOf(error), stack };
}

/** SQLSTATE class 22, data exception. */
const DATA_EXCEPTION = /^22[0-9A-Z]{3}$/;

function messageOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  return DATA_EXCEPTION.test(code) ? `PostgreSQL refused a value (${code})` : error.message;
}

function stackOf(error: Error): string {
  const message = messageOf(error);
  const stack = error.stack ?? error.message;
  return message === error.message ? stack : stack.replaceAll(error.message, () => message);
}

function masking(secrets: readonly string[], destination: DestinationStream): DestinationStream {
  const mask = lineMaskOf(secrets);
  return { write: (json: string) => destination.write(mask(json)) };
}

type Line = Record<string, unknown> & { timestamp: string; level: LogLevel; logger: string; message: string };

function reshaping(options: LogOptions, destination: DestinationStream): DestinationStream {
  const shape = options.format === 'text' ? textLine : (line: Line) => otelLine(line, options);
  return { write: (json: string) => destination.write(`${shape(JSON.parse(json) as Line)}\n`) };
}

function textLine(line: Line): string {
  const trace = typeof line.trace_id === 'string' ? `[${line.trace_id}] ` : '';
  return `${trace}${line.timestamp} - ${line.logger} - ${line.level} - ${oneLine(line.message ?? '')}`;
}

/** Line breaks and control characters as visible escapes, so that no value can forge a line. */
function oneLine(text: string): string {
  return JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
}

function otelLine(line: Line, options: LogOptions): string {
  const { timestamp, level, logger, message, service, environment, trace_id, span_id, ...attributes } = line;
  return JSON.stringify({
    Timestamp: timestamp,
    SeverityText: level,
    SeverityNumber: SEVERITY_NUMBER[level],
    Body: message,
    Resource: {
      'service.name': service,
      'service.version': options.version,
      'deployment.environment': environment,
    },
    InstrumentationScope: { name: logger },
    Attributes: attributes,
    ...(trace_id === undefined ? {} : { TraceId: trace_id, SpanId: span_id }),
  });
}
