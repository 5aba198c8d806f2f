/**
 * The folder of the unix socket: new and private on each start, so that nothing in it is stale or foreign.
 * In: the data folder. Out: an empty 0700 folder. Crash: the next start replaces it.
 */
import { createHash } from 'node:crypto';
import { chown, lstat, mkdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgresError, errorCode } from './errors.ts';
import { NOBODY } from './run-as.ts';

/** Only names the socket; there is no TCP. */
export const PORT = 5432;

/** The kernel's limit is 108 bytes (104 on BSD), with the final zero. */
const MAX_PATH_BYTES = 100;

/**
 * @param dataDir real path
 * @throws EmbeddedPostgresError when even the folder for temporary files is too deep
 */
export function socketFolderOf(dataDir: string): string {
  const inside = join(dataDir, 'socket');
  if (fits(inside)) return inside;
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  const outside = join(tmpdir(), `medic-${hash}`);
  if (fits(outside)) return outside;
  throw new EmbeddedPostgresError(
    `the path ${outside} is too long for a unix socket: choose a shorter TMPDIR`,
  );
}

function fits(folder: string): boolean {
  return Buffer.byteLength(join(folder, `.s.PGSQL.${PORT}.lock`)) <= MAX_PATH_BYTES;
}

/** @throws EmbeddedPostgresError when something that is not ours is in the place */
export async function renewSocketFolder(folder: string, owner: { uid: number; gid: number }): Promise<void> {
  await removeSocketFolder(folder);
  await mkdir(folder, { mode: 0o700 });
  await chown(folder, owner.uid, owner.gid);
}

/** Never recursive: in a folder for temporary files a stranger could have made it. */
export async function removeSocketFolder(folder: string): Promise<void> {
  try {
    const found = await lstat(folder);
    const own = process.getuid?.() ?? -1;
    const ours = found.uid === own || (own === 0 && found.uid === NOBODY);
    if (!found.isDirectory() || !ours || (found.mode & 0o077) !== 0) {
      throw new Error('it is not a private folder of this user');
    }
    await rm(join(folder, `.s.PGSQL.${PORT}`), { force: true });
    await rm(join(folder, `.s.PGSQL.${PORT}.lock`), { force: true });
    await rmdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw new EmbeddedPostgresError(`the socket folder ${folder} is not usable: remove it`, error);
  }
}
