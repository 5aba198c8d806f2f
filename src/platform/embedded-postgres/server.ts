/**
 * The running server process. In: a checked cluster. Out: a server that answers. Crash: when this process dies the
 * kernel interrupts the server (where setpriv exists), which is a fast shutdown.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { failure, type Log } from './errors.ts';
import type { Launcher } from './run-as.ts';
import { followLog, LOG_LINE_PREFIX } from './server-log.ts';
import { PORT } from './socket-folder.ts';

const POLL_MS = 5;
const SLOW_START_MS = 10_000;
const STOP_PATIENCE_MS = 10_000;

export interface Exit {
  code: number | null;
  signal: string | null;
}

export interface Server {
  readonly pid: number;
  /** Resolves however the process ends. */
  readonly ended: Promise<Exit>;
  /** Fast shutdown; immediate shutdown after 10 s, kill after 10 more. Idempotent. */
  stop(): Promise<void>;
}

/** Durability is PostgreSQL's default (fsync, full_page_writes, synchronous_commit) and stays so. */
function defaults(socketFolder: string): Record<string, string> {
  return {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    port: String(PORT),
    max_connections: '60',
    // Memory: one machine, a small working set, no replicas.
    shared_buffers: '32MB',
    wal_level: 'minimal',
    max_wal_senders: '0',
    max_worker_processes: '2',
    max_logical_replication_workers: '0',
    max_parallel_workers_per_gather: '0',
    io_method: 'sync',
    jit: 'off',
    autovacuum_max_workers: '2',
    autovacuum_naptime: '30s',
    max_wal_size: '1GB',
    checkpoint_timeout: '15min',
    // The log goes to our pipe, without statements and without their values.
    log_destination: 'stderr',
    logging_collector: 'off',
    log_line_prefix: LOG_LINE_PREFIX,
    lc_messages: 'C',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_checkpoints: 'off',
    log_autovacuum_min_duration: '-1',
  };
}

export interface ServerOptions {
  launcher: Launcher;
  postgres: string;
  cluster: string;
  socketFolder: string;
  settings: Record<string, string>;
  onLog: Log;
}

/** @throws EmbeddedPostgresError when the process ends before it is ready, with what it said */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { launcher, cluster, onLog } = options;
  const settings = { ...defaults(options.socketFolder), ...options.settings };
  const args = [
    '-D',
    cluster,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const child = launcher.launch(options.postgres, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Its own session: Ctrl-C in a terminal must reach Medic only, which stops the server last.
    detached: true,
  });
  const ended = endOf(child);
  const closed = once(child, 'close').catch(() => {});
  const log = child.stderr ? followLog(child.stderr, onLog) : { lastLines: () => '' };
  const exit = await Promise.race([ended, ready(child, cluster, onLog)]);
  if (exit !== undefined || child.pid === undefined) {
    await Promise.race([closed, delay(500)]);
    throw failure('starting the database server', cluster, log.lastLines() || JSON.stringify(exit));
  }
  return { pid: child.pid, ended, stop: () => stop(child, ended, onLog) };
}

function endOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', (error) => resolve({ code: null, signal: error.message }));
  });
}

/** Recovery after a crash takes as long as it takes: ends when the server is ready or its process has ended. */
async function ready(child: ChildProcess, cluster: string, onLog: Log): Promise<undefined> {
  let reported = performance.now();
  while (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    if (await saysReady(cluster, child.pid)) return;
    if (performance.now() - reported > SLOW_START_MS) {
      reported = performance.now();
      onLog('info', 'PostgreSQL is still starting, perhaps it recovers from a crash', { pid: child.pid });
    }
    await delay(POLL_MS);
  }
  // The end of the process decides the race.
  return new Promise(() => {});
}

/** The first line of postmaster.pid is the pid, the eighth the state: how pg_ctl waits as well. */
async function saysReady(cluster: string, pid: number): Promise<boolean> {
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}

async function stop(child: ChildProcess, ended: Promise<Exit>, onLog: Log): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    if (signal !== 'SIGINT') onLog('warning', 'PostgreSQL does not stop', { pid: child.pid, signal });
    child.kill(signal);
    const timeout = new AbortController();
    const late = delay(STOP_PATIENCE_MS, undefined, { signal: timeout.signal }).catch(() => {});
    await Promise.race([ended, late]);
    timeout.abort();
  }
  await ended;
}
