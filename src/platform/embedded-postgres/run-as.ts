/**
 * Under which user the PostgreSQL programs run, found out by trying.
 * In: the programs and the folders they must enter. Out: a launcher. Crash: nothing is kept.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { Binaries } from './binaries.ts';
import { EmbeddedPostgresError } from './errors.ts';

/** Runs the server when Medic is root. */
export const NOBODY = 65534;

export interface Launcher {
  /** Owner that the cluster's files must have, as seen by this process. */
  readonly uid: number;
  readonly gid: number;
  /** Major version of the programs, e.g. `18`. */
  readonly major: string;
  launch(program: string, args: string[], options: SpawnOptions): ChildProcess;
}

export interface Finished {
  code: number | null;
  /** stdout and stderr */
  output: string;
}

/** One way to start a program: a wrapper command, and the user that Node switches to. */
interface Way {
  wrapper: string[];
  switchTo: { uid: number; gid: number } | Record<string, never>;
  /** as seen by this process */
  owner: { uid: number; gid: number };
}

/**
 * An ordinary user runs the programs directly. Root may not (PostgreSQL refuses): they run as user 65534, or, where
 * that user cannot enter the folders or read the programs, as root that a user namespace shows as 65534.
 *
 * @param folders must be enterable
 * @throws EmbeddedPostgresError when no way works
 */
export async function chooseLauncher(binaries: Binaries, folders: string[]): Promise<Launcher> {
  const env = cleanEnvironment(binaries);
  const dieWithParent = await findDieWithParent(env);
  const failures: string[] = [];
  for (const way of possibleWays()) {
    const launch: Launcher['launch'] = (program, args, options) => {
      const [command = program, ...rest] = [...way.wrapper, ...dieWithParent, program, ...args];
      return spawn(command, rest, { ...options, ...way.switchTo, env });
    };
    const probe = await finished(() =>
      launch('/bin/sh', ['-c', PROBE, 'sh', binaries.postgres, ...folders], {}),
    );
    const major = /PostgreSQL\) (\d+)/.exec(probe.output)?.[1];
    if (probe.code === 0 && major !== undefined) return { ...way.owner, major, launch };
    failures.push(probe.output.trim());
  }
  throw new EmbeddedPostgresError(
    `the embedded PostgreSQL cannot run here: ${failures.join('; ')}. ` +
      (process.getuid?.() === 0
        ? 'As root it needs a data folder that every user can enter; or run Medic as an ordinary user. '
        : '') +
      'Otherwise set DATABASE_URL',
  );
}

const PROBE = 'program=$1; shift; for folder; do cd "$folder" || exit 1; done; exec "$program" --version';

function possibleWays(): Way[] {
  const own = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
  if (own.uid !== 0) return [{ wrapper: [], switchTo: {}, owner: own }];
  const nobody = { uid: NOBODY, gid: NOBODY };
  const namespace = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'];
  return [
    { wrapper: [], switchTo: nobody, owner: nobody },
    { wrapper: namespace, switchTo: {}, owner: own },
  ];
}

/**
 * util-linux can tell the kernel to interrupt a program when its parent dies, kill -9 included. busybox and macOS
 * cannot: there a server may be left behind, which the next start stops.
 */
async function findDieWithParent(env: NodeJS.ProcessEnv): Promise<string[]> {
  const wrapper = ['--pdeathsig=INT', '--'];
  const probe = await finished(() => spawn('setpriv', [...wrapper, 'true'], { env }));
  return probe.code === 0 ? ['setpriv', ...wrapper] : [];
}

/** Not Medic's own environment: that holds secrets, and PG* variables that would change the server. */
function cleanEnvironment(binaries: Binaries): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    TZ: 'UTC',
    LC_ALL: 'C',
    ...(binaries.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: binaries.libraryPath }),
  };
}

/** Runs a program to its end and collects what it says. One that cannot be started is one that failed. */
export async function finished(start: () => ChildProcess): Promise<Finished> {
  try {
    // Throws at once when this process may not switch users, and later for most other reasons.
    const child = start();
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
    const [code, ...outputs] = await Promise.all([ended, ...streams.map((stream) => text(stream))]);
    return { code, output: outputs.join('') };
  } catch (error) {
    return { code: null, output: error instanceof Error ? error.message : String(error) };
  }
}
