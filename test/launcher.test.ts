import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { admin } from './harness/postgres.ts';

const LAUNCHER = path.join(import.meta.dirname, '../bin/medic');

let folder: string;
let name: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'medic-launcher-'));
  name = path.basename(folder).toLowerCase().replaceAll('-', '_');
  await admin(inject('postgres'), `create database ${name}`);
});
afterEach(async () => {
  await admin(inject('postgres'), `drop database ${name} with (force)`);
  await rm(folder, { recursive: true, force: true });
});

/** Runs the launcher in an empty folder on an empty database. */
function medic(launcher: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(launcher, args, {
    cwd: folder,
    encoding: 'utf8',
    env: environment(),
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

function environment() {
  const { host, port, user, password = '' } = inject('postgres');
  return {
    PATH: process.env.PATH,
    DB_HOST: host,
    DB_PORT: String(port),
    DB_NAME: name,
    PG_USER: user,
    PG_PASS: password,
    MEDIC_HOST: '127.0.0.1',
    PORT: '0',
    MEDIC_LOG_FORMAT: 'text',
  };
}

test('migrations are listed, applied once, and told line by line', () => {
  const pending = medic(LAUNCHER, 'migrate', '--dry-run');
  expect(pending).toMatchObject({ status: 0, stderr: '' });
  expect(pending.stdout).toMatch(/^pending 001_services_and_heartbeats\n(pending \w+\n)+\d+ pending\n$/);
  expect(medic(LAUNCHER, 'migrate', '--dry-run').stdout).toBe(pending.stdout);

  const applied = medic(LAUNCHER, 'migrate');
  expect(applied.status).toBe(0);
  const lines = applied.stdout.trim().split('\n');
  expect(lines.pop()).toMatch(/^\d+ applied$/);
  for (const line of lines) expect(line).toMatch(/^\S+Z - medic\.migrate - INFO - migrat/);
  expect(medic(LAUNCHER, 'migrate').stdout).toMatch(/^0 applied$/m);
  expect(medic(LAUNCHER, 'migrate', '--dry-run').stdout).toBe('0 pending\n');
});

test('the launcher works through links, from any folder, and passes exit codes on', async () => {
  await symlink(LAUNCHER, path.join(folder, 'absolute'));
  await symlink('absolute', path.join(folder, 'relative'));
  const help = medic(path.join(folder, 'relative'), '--help');
  expect(help).toMatchObject({ status: 0, stderr: '' });
  expect(help.stdout).toMatch(/^Usage: medic /);
  expect(medic(path.join(folder, 'relative'), 'migrate', '--no-such-option').status).toBe(2);
  expect(medic(path.join(folder, 'relative'), 'migrate', '--migrations-dir', 'nowhere').status).toBe(1);
});

test('a signal for "npm start" stops Medic in order', async () => {
  const npm = spawn('npm', ['start', '--', 'api'], {
    cwd: path.join(import.meta.dirname, '..'),
    env: { ...environment(), HOME: folder },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
    timeout: 40_000,
  });
  try {
    let said = '';
    const closed = once(npm.stdout, 'close');
    await new Promise<void>((resolve) => {
      npm.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('listens on')) resolve();
      });
      npm.stdout.on('close', resolve);
    });
    expect(said).toContain('Medic ');
    npm.kill('SIGTERM');
    await Promise.race([closed, sleep(20_000, undefined, { ref: false })]);
    expect(said).toMatch(/ - medic\.main - INFO - stopped\n$/);
  } finally {
    endGroup(npm.pid);
  }
});

/** Ends what is left of a group of processes. */
function endGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL');
  } catch {
    // Nothing is left.
  }
}
