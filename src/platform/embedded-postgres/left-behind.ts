/**
 * Ends a server whose Medic is gone. In: a cluster that we hold the lock of, so that whatever still runs on it has no
 * owner. Out: no process on it, no pid file. Crash: the next start does the same.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EmbeddedPostgresError, errorCode, type Log } from './errors.ts';

const PATIENCE_MS = 5_000;
const POLL_MS = 20;

/**
 * A server that is shutting down already (its Medic was killed) is waited for; one that is not is told to.
 * Takes up to 5 s per signal.
 *
 * @param cluster real path
 * @throws EmbeddedPostgresError when a process cannot be ended
 */
export async function stopLeftBehind(cluster: string, onLog: Log): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid');
  const main = await readPid(pidFile);
  // A server removes this file as the last thing it does.
  if (main === undefined) return;
  let running = await processesOn(cluster, main);
  if (running.length > 0) onLog('warning', 'stopping a PostgreSQL that was left behind', { pid: main });
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (running.length === 0) break;
    // Fast shutdown is for the main process only; its helpers leave with it, or on their own when it is dead.
    for (const pid of running) if (signal !== 'SIGINT' || pid === main) send(pid, signal);
    running = await waitUntilGone(cluster, main);
  }
  if (running.length > 0) {
    throw new EmbeddedPostgresError(
      `PostgreSQL (pid ${running.join(', ')}) still runs on ${cluster}: stop it`,
    );
  }
  // PostgreSQL takes any living process of its user with that number for its predecessor, and would not start.
  await rm(pidFile, { force: true });
}

async function waitUntilGone(cluster: string, main: number): Promise<number[]> {
  const start = performance.now();
  for (;;) {
    const running = await processesOn(cluster, main);
    if (running.length === 0 || performance.now() - start > PATIENCE_MS) return running;
    await delay(POLL_MS);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return;
    throw new EmbeddedPostgresError(
      `PostgreSQL (pid ${pid}) was left behind and cannot be stopped: stop it`,
      error,
    );
  }
}

async function readPid(pidFile: string): Promise<number | undefined> {
  const content = await readFile(pidFile, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
  const pid = Number.parseInt(content, 10);
  if (pid > 1) return pid;
  return content === '' ? undefined : 0;
}

/** Every process of a server works in its cluster's folder: that tells them from a process with a reused pid. */
async function processesOn(cluster: string, main: number): Promise<number[]> {
  if (process.platform !== 'linux') return (await isPostgres(main)) ? [main] : [];
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || (await linkOf(pid, 'cwd')) !== cluster) continue;
    if (basename(await linkOf(pid, 'exe')).startsWith('postgres')) found.push(pid);
  }
  return found;
}

/** Empty for a process that has ended, or that belongs to somebody else. */
async function linkOf(pid: number, name: 'cwd' | 'exe'): Promise<string> {
  return readlink(`/proc/${pid}/${name}`).catch(() => '');
}

async function isPostgres(pid: number): Promise<boolean> {
  if (pid === 0) return false;
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'comm=', '-p', String(pid)]);
    return basename(stdout.trim()).startsWith('postgres');
  } catch {
    return false;
  }
}
