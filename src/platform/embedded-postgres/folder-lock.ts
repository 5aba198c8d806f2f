/**
 * Who owns a data folder. In: the folder. Out: a lock that the kernel keeps for this process.
 * Crash: the kernel drops the lock with the process, so there is no stale lock and no pid to mistrust.
 */
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataFolderInUseError, EmbeddedPostgresError, failure } from './errors.ts';

const SQLITE_BUSY = 5;

export interface FolderLock {
  /** Idempotent. */
  release(): void;
}

/**
 * Locks `folder` for this process, at once or not at all.
 *
 * Node has no flock; its SQLite does, on every platform: an open write transaction on an empty database is an
 * fcntl lock. `immediate` rather than `exclusive`, because of two that ask together exactly one gets it.
 * Nothing else in this process may open and close the lock file: POSIX would drop the lock.
 *
 * @throws DataFolderInUseError when a living process (this one included) holds it
 * @throws EmbeddedPostgresError when the folder cannot be written
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await access(folder, constants.W_OK | constants.X_OK).catch((error: unknown) => {
    throw failure('opening the data folder', folder, error);
  });
  const file = join(folder, 'postgres.lock');
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    // SQLite would open a read-only file, and lock nothing.
    await access(file, constants.W_OK);
    database.exec('begin immediate');
  } catch (error) {
    database?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) throw new DataFolderInUseError(folder);
    // Missing permission, or no inode left: SQLite does not say which.
    throw new EmbeddedPostgresError(
      `cannot write ${file}: give uid ${process.getuid?.() ?? '?'} permission, and check that the disk is not full`,
      error,
    );
  }
  const held = database;
  return {
    release: () => {
      if (held.isOpen) held.close();
    },
  };
}
