import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { socketFolderOf } from '../../src/platform/embedded-postgres/socket-folder.ts';
import { atEnd } from './cleanup.ts';
import { familyOf } from './processes.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const MAIN = path.join(ROOT, 'src/main.ts');
const UNREACHED = '1000000000';
const UNGUARDED = {
  MEDIC_AUTH_MODE: 'off',
  RATE_LIMIT_HEARTBEAT_REQUESTS: UNREACHED,
  RATE_LIMIT_PING_REQUESTS: UNREACHED,
  RATE_LIMIT_MANAGEMENT_REQUESTS: UNREACHED,
};
/** What the launcher gives to Node. */
const NODE_OPTIONS = ['--max-semi-space-size=8'];

export interface Child {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

export interface MedicChild extends Child {
  /** How to reach its embedded database. */
  readonly connection: { host: string; port: number; user: string; database: string };
  /** The processes of its embedded database. */
  postgres(): number[];
}

/**
 * Starts the real program on a free port, by itself without authentication and with limits that nothing reaches;
 * resolves when it says that it listens.
 * @param variant file of bench/servers that alters it first.
 */
export async function startMedic(
  dataDir: string,
  environment: Record<string, string> = {},
  variant?: string,
): Promise<MedicChild> {
  const child = await start(
    variant === undefined ? MAIN : serverFile(variant),
    { PORT: '0', MEDIC_HOST: '127.0.0.1', MEDIC_DATA_DIR: dataDir, ...UNGUARDED, ...environment },
    / listens on http:\/\/[^:]+:(\d+)/,
  );
  return {
    ...child,
    connection: { host: socketFolderOf(dataDir), port: 5432, user: 'medic', database: 'medic' },
    postgres: () => familyOf(child.pid).filter((pid) => pid !== child.pid),
  };
}

/** Starts one of the servers that Medic is compared with. */
export function startRival(name: string, environment: Record<string, string> = {}): Promise<Child> {
  return start(serverFile(name), environment, /^port (\d+)/);
}

function serverFile(name: string): string {
  return path.join(ROOT, 'bench/servers', `${name}.ts`);
}

async function start(file: string, environment: Record<string, string>, listens: RegExp): Promise<Child> {
  const [command = '', ...args] = commandFor(file);
  const child = spawn(command, args, {
    // Nothing of the caller's configuration: it could name a real database or real receivers.
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
    // Its own session: Ctrl-C reaches this process only, which ends the child in order.
    detached: true,
  });
  const stop = () => end(child);
  atEnd(stop);
  return { pid: child.pid ?? 0, port: await portOf(child, listens), stop };
}

/**
 * The program is started as people start it. `BENCH_CPU_PROFILE=<folder>` leaves a processor profile of every server
 * there, for which Node has to be started directly.
 */
function commandFor(file: string): string[] {
  const folder = process.env.BENCH_CPU_PROFILE;
  if (folder === undefined)
    return file === MAIN ? [path.join(ROOT, 'bin/medic')] : [process.execPath, ...NODE_OPTIONS, file];
  const name = `${path.basename(file, '.ts')}-${Date.now()}.cpuprofile`;
  return [process.execPath, '--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}`, file];
}

function portOf(child: ChildProcess, listens: RegExp): Promise<number> {
  return new Promise((resolve, reject) => {
    const last: string[] = [];
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${last.join('\n')}`)));
    if (child.stdout === null) return;
    // Goes on reading afterwards: a full pipe would stop the child.
    createInterface({ input: child.stdout }).on('line', (line) => {
      last.push(line);
      if (last.length > 5) last.shift();
      const port = listens.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  await exited;
  clearTimeout(killer);
}
