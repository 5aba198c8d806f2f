export type Log = (
  level: 'info' | 'warning' | 'error',
  message: string,
  fields?: Record<string, unknown>,
) => void;

/** Another living Medic owns the data folder. */
export class DataFolderInUseError extends Error {
  constructor(folder: string) {
    super(
      `the data folder ${folder} is in use by another running Medic: stop that one, or choose another folder`,
    );
    this.name = 'DataFolderInUseError';
  }
}

/** The embedded server cannot run; the message tells the operator what to do about it. */
export class EmbeddedPostgresError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'EmbeddedPostgresError';
  }
}

/** The text of the last lines of a program's output, or of an error, as one operator message. */
export function failure(doing: string, folder: string, reason: unknown): EmbeddedPostgresError {
  const text = reason instanceof Error ? reason.message : String(reason).trim();
  if (/ENOSPC|EDQUOT|No space left|quota exceeded/i.test(text)) {
    return new EmbeddedPostgresError(`the disk of the data folder ${folder} is full (${doing})`, reason);
  }
  if (/EACCES|EPERM|EROFS|Permission denied|Read-only file system/i.test(text)) {
    return new EmbeddedPostgresError(
      `Medic (uid ${process.getuid?.() ?? '?'}) may not write to its data folder ${folder} (${doing}: ${text})`,
      reason,
    );
  }
  return new EmbeddedPostgresError(
    `the embedded PostgreSQL in ${folder} failed while ${doing}: ${text}`,
    reason,
  );
}

/** The `code` of a system error (`ENOENT`, …), if it is one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
