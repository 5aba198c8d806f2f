import { type TSchema, Type } from 'typebox';
import { errorCode, isUnavailable } from '../platform/db.ts';
import { ERROR_STATUS, type ErrorCode, MedicError, type Problem } from '../platform/errors.ts';

/** The shape of every answer (spec 10 section 1). */
export function Envelope<T extends TSchema>(results: T) {
  return Type.Object({ success: Type.Boolean(), message: Type.String(), results });
}

export const EmptyEnvelope = Envelope(Type.Literal(''));

export const Failure = Type.Object({
  success: Type.Literal(false),
  message: Type.String(),
  results: Type.Literal(''),
  errors: Type.Optional(
    Type.Array(
      Type.Object({
        path: Type.String(),
        message: Type.String(),
        line: Type.Optional(Type.Integer()),
        column: Type.Optional(Type.Integer()),
      }),
    ),
  ),
  /** Seconds; with 429 only. */
  retry_after: Type.Optional(Type.Integer()),
});

/** The failures that any route can give. */
export const failures = { '4xx': Failure, '5xx': Failure };

/** The answers of a route: its success, and its failures. */
export function answers<Status extends 200 | 201, T extends TSchema>(status: Status, results: T) {
  return { [status]: Envelope(results), '4xx': Failure, '5xx': Failure } as {
    [key in Status]: ReturnType<typeof Envelope<T>>;
  };
}

export function ok<T>(results: T, message = '') {
  return { success: true, message, results };
}

export interface FailureAnswer {
  status: number;
  headers: Record<string, string>;
  body: { success: false; message: string; results: ''; errors?: Problem[]; retry_after?: number };
}

/** Any error as the answer that the caller may see. Details of unexpected ones stay in the log. */
export function failureOf(error: unknown, required: readonly string[] = []): FailureAnswer {
  const { code, message, problems, retryAfter } = describe(error, required);
  const status = ERROR_STATUS[code];
  const headers: Record<string, string> = {};
  if (code === 'database_unavailable') headers['retry-after'] = '5';
  if (code === 'unauthorized') headers['www-authenticate'] = 'Bearer';
  if (code === 'overloaded') headers['retry-after'] = '1';
  if (retryAfter !== undefined) headers['retry-after'] = String(retryAfter);
  return {
    status,
    headers,
    body: {
      success: false,
      message,
      results: '',
      ...(problems.length === 0 ? {} : { errors: [...problems] }),
      ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
    },
  };
}

interface Description {
  code: ErrorCode;
  message: string;
  problems: readonly Problem[];
  retryAfter?: number | undefined;
}

function describe(error: unknown, required: readonly string[]): Description {
  if (error instanceof MedicError) {
    const { code, problems, retryAfter } = error;
    return {
      code,
      retryAfter,
      message: problems.length === 0 ? error.message : error.message + hint(required),
      problems,
    };
  }
  if (isUnavailable(error)) {
    return { code: 'database_unavailable', message: 'The database is unavailable, try again', problems: [] };
  }
  if (isDataRefusal(error)) {
    return { code: 'bad_request', message: 'A value was refused by the database', problems: [] };
  }
  return describeFramework(error, required);
}

/** SQLSTATE class 22 (data exception) and check violations: the last guard behind validation at the edge. */
export function isDataRefusal(error: unknown): boolean {
  return /^(22...|23514)$/.test(errorCode(error));
}

const FRAMEWORK_CODES: Record<string, { code: ErrorCode; message: string }> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'payload_too_large', message: 'The body is larger than 1 MiB' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: { code: 'bad_request', message: 'The body is shorter than announced' },
  FST_ERR_BAD_URL: { code: 'bad_request', message: 'The path is not valid' },
  FST_ERR_ASYNC_CONSTRAINT: { code: 'bad_request', message: 'The request is not valid' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'not_found', message: 'Not found' },
};

function describeFramework(error: unknown, required: readonly string[]): Description {
  if (typeof error !== 'object' || error === null) {
    return { code: 'internal', message: 'Internal server error', problems: [] };
  }
  const { validation, code, statusCode } = error as {
    validation?: readonly ValidationError[];
    code?: string;
    statusCode?: number;
  };
  if (validation !== undefined) return describeValidation(validation, required);
  const known = code === undefined ? undefined : FRAMEWORK_CODES[code];
  if (known !== undefined) return { ...known, problems: [] };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { code: 'bad_request', message: 'The request is not valid', problems: [] };
  }
  return { code: 'internal', message: 'Internal server error', problems: [] };
}

interface ValidationError {
  keyword: string;
  instancePath: string;
  message?: string;
  params: Record<string, unknown>;
}

function describeValidation(errors: readonly ValidationError[], required: readonly string[]): Description {
  const problems = errors.filter(({ keyword }) => !['anyOf', 'oneOf', 'if'].includes(keyword)).map(problemOf);
  const seen = new Set<string>();
  const distinct = problems.filter(({ path }) => !seen.has(path) && seen.add(path)).slice(0, 50);
  const list = distinct
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    .join('; ');
  const message = (list || 'The request is not valid') + hint(required);
  return { code: 'bad_request', message, problems: distinct };
}

/** The members that the body of the route must have. */
function hint(required: readonly string[]): string {
  return required.length === 0 ? '' : ` (required: ${required.join(', ')})`;
}

function problemOf({ keyword, instancePath, message, params }: ValidationError): Problem {
  const parent = instancePath.split('/').slice(1);
  const path = (last?: unknown) =>
    [...parent, ...(last === undefined ? [] : [String(last)])].join('.').slice(0, 300);
  switch (keyword) {
    case 'required':
      return { path: path(params.missingProperty), message: 'is required' };
    case 'additionalProperties':
      return { path: path(params.additionalProperty), message: 'is not a known member' };
    case 'anyCase':
      return { path: path(), message: message ?? 'is not a known value' };
    case 'pattern':
      return { path: path(), message: 'has characters that are not allowed here' };
    default:
      return { path: path(), message: message ?? 'is not valid' };
  }
}
