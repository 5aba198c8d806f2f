/**
 * A PostgreSQL of our own, for installations without DATABASE_URL.
 * In: a data folder. Out: a server on a unix socket, with the database `medic`, that this process alone owns.
 * Crash: committed data is kept (full fsync); the server ends with this process or is ended by the next start.
 *
 * Call it from the main thread: the kernel ties the server to the thread that started it.
 */
import { chmod, mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { type Binaries, packageRoot, prepareBinaries } from './embedded-postgres/binaries.ts';
import {
  adoptCluster,
  createCluster,
  inspectCluster,
  removeUnfinished,
} from './embedded-postgres/cluster.ts';
import {
  DataFolderInUseError,
  EmbeddedPostgresError,
  failure,
  type Log,
} from './embedded-postgres/errors.ts';
import { type FolderLock, lockFolder } from './embedded-postgres/folder-lock.ts';
import { stopLeftBehind } from './embedded-postgres/left-behind.ts';
import { chooseLauncher, type Launcher } from './embedded-postgres/run-as.ts';
import { type Exit, type Server, startServer } from './embedded-postgres/server.ts';
import {
  PORT,
  removeSocketFolder,
  renewSocketFolder,
  socketFolderOf,
} from './embedded-postgres/socket-folder.ts';

export { DataFolderInUseError };

export interface EmbeddedPostgres {
  /** Settings for `pg`; `host` is the folder of the unix socket. The user is the cluster's superuser. */
  readonly connection: { host: string; port: number; user: string; database: string };
  readonly pid: number;
  /** Resolves when the server ends on its own; never after `stop()`. The folder is free again by then. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** Fast shutdown, waits; immediate shutdown after 10 s. Idempotent. Close the pools before it. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Medic's data folder; made if missing. */
  dataDir: string;
  /** Never receives statements or their values. */
  onLog: Log;
  /** PostgreSQL settings that replace ours. */
  settings?: Record<string, string>;
}

/**
 * Starts the server of a data folder, creating it the first time (about 1 s, then 0.2 s; a recovery takes longer).
 *
 * @throws DataFolderInUseError when another living Medic owns the folder
 * @throws Error with a message for the operator when it cannot run here
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const root = packageRoot();
  const dataDir = await openDataFolder(options.dataDir);
  const lock = await lockFolder(dataDir);
  try {
    return await startLocked(root, dataDir, lock, options);
  } catch (error) {
    lock.release();
    if (error instanceof EmbeddedPostgresError) throw error;
    throw failure('preparing the data folder', dataDir, error);
  }
}

/** How to reach the server of a data folder that another process of this machine runs. */
export async function runningConnection(dataDir: string): Promise<EmbeddedPostgres['connection']> {
  return connectionIn(socketFolderOf(await realpath(dataDir)));
}

function connectionIn(socketFolder: string): EmbeddedPostgres['connection'] {
  return { host: socketFolder, port: PORT, user: 'medic', database: 'medic' };
}

/** Makes the folder if it is missing. @returns its real path */
export async function openDataFolder(folder: string): Promise<string> {
  try {
    const made = await mkdir(folder, { recursive: true });
    // As root the server runs as another user, which must get through, but need not look around.
    if (made !== undefined) await chmod(folder, process.getuid?.() === 0 ? 0o711 : 0o700);
    return await realpath(folder);
  } catch (error) {
    throw failure('making the data folder (may its parent be written?)', folder, error);
  }
}

async function startLocked(
  root: string,
  dataDir: string,
  lock: FolderLock,
  { onLog, settings = {} }: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const cluster = join(dataDir, 'postgres');
  const socketFolder = socketFolderOf(dataDir);
  const binaries = await prepareBinaries(root, join(dataDir, 'postgres-lib'));
  const launcher = await chooseLauncher(binaries, [join(socketFolder, '..'), dataDir]);
  await prepareCluster(cluster, binaries, launcher, onLog);
  await renewSocketFolder(socketFolder, launcher);
  const server = await startServer({
    launcher,
    postgres: binaries.postgres,
    cluster,
    socketFolder,
    settings,
    onLog,
  });
  const connection = connectionIn(socketFolder);
  try {
    await ensureDatabase(connection);
  } catch (error) {
    await server.stop();
    throw failure('opening the database', dataDir, error);
  }
  return own(server, connection, lock);
}

async function prepareCluster(
  cluster: string,
  binaries: Binaries,
  launcher: Launcher,
  onLog: Log,
): Promise<void> {
  await removeUnfinished(cluster);
  if (await inspectCluster(cluster, launcher)) {
    await stopLeftBehind(cluster, onLog);
    await adoptCluster(cluster, launcher);
    return;
  }
  await createCluster(cluster, binaries.initdb, launcher);
  onLog('info', 'created the database', { folder: cluster });
}

/** Renames the empty database that initdb made: at once, where copying a template takes 0.2 s and 8 MB. */
async function ensureDatabase(connection: EmbeddedPostgres['connection']): Promise<void> {
  const client = new Client({ ...connection, database: 'template1' });
  // A server that dies now is reported by the query that fails.
  client.on('error', () => {});
  try {
    await client.connect();
    const found = await client.query('select from pg_database where datname = $1', [connection.database]);
    if (found.rowCount === 0) await client.query(`alter database postgres rename to ${connection.database}`);
  } finally {
    await client.end();
  }
}

/** The lock is held exactly as long as the server runs. */
function own(server: Server, connection: EmbeddedPostgres['connection'], lock: FolderLock): EmbeddedPostgres {
  let stopping: Promise<void> | undefined;
  const ended = server.ended.finally(() => lock.release());
  const exited = new Promise<Exit>((resolve) => {
    ended.then((exit) => {
      if (!stopping) resolve(exit);
    });
  });
  const stop = async () => {
    await server.stop();
    await ended;
    // Tidiness only: the next start replaces it, and says so if it cannot.
    await removeSocketFolder(connection.host).catch(() => {});
  };
  return {
    connection,
    pid: server.pid,
    exited,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
