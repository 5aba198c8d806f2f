import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { isRoot, NOBODY, processesBelow, tempFolder } from '../fixtures/embedded-postgres-harness.ts';
import { eventually } from './process.ts';

const INSTALLED = '/usr/lib/postgresql';

/** The programs of a PostgreSQL that this machine has installed, the newest; undefined: it has none. */
export const installedPostgres: string | undefined = (existsSync(INSTALLED) ? readdirSync(INSTALLED) : [])
  .sort((a, b) => Number(b) - Number(a))
  .map((version) => join(INSTALLED, version, 'bin'))
  .find((folder) => existsSync(join(folder, 'initdb')));

/** A PostgreSQL of its own that a test starts and stops at will. */
export class ExternalServer {
  readonly url: string;
  readonly #folder: string;
  #child: ChildProcess | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
    this.url = `postgres://medic@/medic?host=${encodeURIComponent(folder)}`;
  }

  /** Removed by the `cleanUp` of its folder. */
  static async create(): Promise<ExternalServer> {
    const folder = join(await tempFolder(), 'cluster');
    mkdirSync(folder, { mode: 0o700 });
    if (isRoot) chownSync(folder, NOBODY.uid, NOBODY.gid);
    const server = new ExternalServer(folder);
    execFileSync(
      join(installedPostgres ?? '', 'initdb'),
      ['-D', folder, '-U', 'medic', '-A', 'trust', '--no-sync'],
      {
        stdio: 'ignore',
        cwd: folder,
        ...(isRoot ? NOBODY : {}),
      },
    );
    await server.start();
    await server.query('create database medic', 'postgres');
    return server;
  }

  async start(): Promise<void> {
    const settings = { listen_addresses: '', unix_socket_directories: this.#folder, max_connections: '60' };
    this.#child = spawn(
      join(installedPostgres ?? '', 'postgres'),
      [
        '-D',
        this.#folder,
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { stdio: 'ignore', cwd: this.#folder, ...(isRoot ? NOBODY : {}) },
    );
    await eventually(
      'PostgreSQL',
      20_000,
      async () => (await this.query('select 1', 'postgres')).length === 1,
    );
  }

  /** SIGINT is PostgreSQL's fast shutdown, SIGQUIT a crash. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
    this.#child = undefined;
  }

  freeze(): void {
    for (const pid of processesBelow(this.#folder)) process.kill(pid, 'SIGSTOP');
  }

  thaw(): void {
    for (const pid of processesBelow(this.#folder)) process.kill(pid, 'SIGCONT');
  }

  async query(text: string, database = 'medic'): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ host: this.#folder, user: 'medic', database, application_name: 'test' });
    client.on('error', () => {});
    try {
      await client.connect();
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }
}
