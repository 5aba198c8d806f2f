/** Every failure a caller can be told, with its HTTP status (spec 10 section 1). */
export const ERROR_STATUS = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  header_too_large: 431,
  internal: 500,
  database_unavailable: 503,
  overloaded: 503,
  not_configured: 503,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** One offending member of a request; `path` is the member's name, empty for the whole document. */
export interface Problem {
  path: string;
  message: string;
  /** Where it stands in a text that is a document of its own, from 1. */
  line?: number;
  column?: number;
}

/**
 * A failure with a text that may be shown to the caller. What must not be shown goes into `cause`,
 * which only the log sees.
 */
export class MedicError extends Error {
  readonly code: ErrorCode;
  readonly problems: readonly Problem[];
  /** Seconds after which another try makes sense; undefined: what the code says. */
  readonly retryAfter: number | undefined;

  constructor(
    code: ErrorCode,
    publicMessage: string,
    options: { cause?: unknown; problems?: readonly Problem[]; retryAfter?: number } = {},
  ) {
    super(publicMessage, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'MedicError';
    this.code = code;
    this.problems = options.problems ?? [];
    this.retryAfter = options.retryAfter;
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}

/** 400 for one named member. */
export function invalid(path: string, message: string): MedicError {
  return new MedicError('bad_request', `${path}: ${message}`, { problems: [{ path, message }] });
}
