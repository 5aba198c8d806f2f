/**
 * The cluster's files. In: the data folder. Out: `{dataDir}/postgres`, complete and durable, owned by the right user.
 * Crash: initdb works in a temporary sibling that is renamed when complete; the next start removes what is left.
 */
import { randomBytes } from 'node:crypto';
import { chown, lchown, lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EmbeddedPostgresError, errorCode, failure } from './errors.ts';
import { finished, type Launcher } from './run-as.ts';

/**
 * Looks before anything is touched.
 *
 * @returns whether there is a cluster
 * @throws EmbeddedPostgresError when it belongs to another user or to another major version
 */
export async function inspectCluster(cluster: string, launcher: Launcher): Promise<boolean> {
  const found = await lstat(cluster).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (!found) return false;
  if (process.getuid?.() !== 0 && found.uid !== launcher.uid) {
    throw new EmbeddedPostgresError(
      `${cluster} belongs to uid ${found.uid}, but Medic runs as uid ${launcher.uid}: ` +
        `run Medic as that user, or as root: chown -R ${launcher.uid}:${launcher.gid} ${cluster}`,
    );
  }
  if ((await readdir(cluster)).length === 0) return false;
  await checkVersion(cluster, launcher.major);
  return true;
}

/** Gives an existing cluster to the user that runs it now; no server may run on it. */
export async function adoptCluster(cluster: string, { uid, gid }: Launcher): Promise<void> {
  if ((await lstat(cluster)).uid !== uid) await giveTo(cluster, uid, gid);
}

/** What a start that was killed in the middle of initdb left. */
export async function removeUnfinished(cluster: string): Promise<void> {
  const prefix = `${basename(cluster)}.new-`;
  for (const name of await readdir(dirname(cluster))) {
    if (!name.startsWith(prefix)) continue;
    await rm(join(dirname(cluster), name), { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * The folder must be locked by the caller.
 *
 * @throws EmbeddedPostgresError with what initdb said
 */
export async function createCluster(cluster: string, initdb: string, launcher: Launcher): Promise<void> {
  const unfinished = `${cluster}.new-${randomBytes(4).toString('hex')}`;
  await mkdir(unfinished, { mode: 0o700 });
  await chown(unfinished, launcher.uid, launcher.gid);
  const { code, output } = await finished(() => launcher.launch(initdb, initdbArguments(unfinished), {}));
  if (code !== 0) {
    await rm(unfinished, { recursive: true, force: true, maxRetries: 5 });
    throw failure('creating the database', dirname(cluster), output);
  }
  await rename(unfinished, cluster);
  await syncFolder(dirname(cluster));
}

/**
 * The builtin provider sorts and folds case the same on every machine and never needs a reindex after an upgrade of
 * the C library. The C library's own locale is `C`, because a small image may have no other.
 * initdb syncs what it wrote (80 ms).
 */
function initdbArguments(folder: string): string[] {
  return [
    `--pgdata=${folder}`,
    '--username=medic',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
    '--auth-local=trust',
    '--auth-host=reject',
    '--no-instructions',
  ];
}

async function checkVersion(cluster: string, major: string): Promise<void> {
  const found = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch((error: unknown) => {
    throw new EmbeddedPostgresError(`${cluster} is not a PostgreSQL cluster: move it away`, error);
  });
  if (found.trim() === major) return;
  throw new EmbeddedPostgresError(
    `${cluster} was made by PostgreSQL ${found.trim()}, this Medic brings ${major}: dump it with the Medic that made ` +
      'it and restore here, or move the folder away to start empty, or set DATABASE_URL',
  );
}

/** The top folder comes last: while its owner is wrong, the next start does the rest again. */
async function giveTo(folder: string, uid: number, gid: number): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await giveTo(path, uid, gid);
    else await lchown(path, uid, gid);
  }
  await lchown(folder, uid, gid);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
