import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readlinkSync, realpathSync, rmSync, statSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { packageRoot, prepareBinaries } from '../src/platform/embedded-postgres/binaries.ts';
import { readLine } from '../src/platform/embedded-postgres/server-log.ts';
import { DataFolderInUseError, startEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import {
  answer,
  children,
  cleanUp,
  diesWithParent,
  isRoot,
  type Logged,
  NOBODY,
  namespaces,
  nobodyReadsUs,
  processesBelow,
  query,
  running,
  spawnOwner,
  start,
  tempFolder,
  unpackedPackage,
  waitFor,
} from './fixtures/embedded-postgres-harness.ts';

vi.setConfig({ testTimeout: 20_000, hookTimeout: 20_000 });

afterEach(cleanUp);

test('a first start makes a durable UTF-8 database, and a restart keeps its rows', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const first = await start(dataDir);
  expect(first.connection).toEqual({
    host: join(dataDir, 'socket'),
    port: 5432,
    user: 'medic',
    database: 'medic',
  });
  await query(first.connection, "create table t as select 'kept' as word");
  const durable = ['fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums'];
  for (const name of durable) expect(await query(first.connection, `show ${name}`)).toEqual(['on']);
  expect(await query(first.connection, "select lower('ÄÉ'), current_setting('server_encoding')")).toEqual([
    'äé',
    'UTF8',
  ]);
  await first.stop();
  await first.stop();
  expect(processesBelow(dataDir)).toEqual([]);

  const second = await start(dataDir);
  expect(await query(second.connection, 'select word from t')).toEqual(['kept']);
});

test('the server listens on a private socket only', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const { connection } = await start(dataDir);
  expect(statSync(connection.host).mode & 0o777).toBe(0o700);
  expect(statSync(join(dataDir, 'postgres')).mode & 0o777).toBe(0o700);
  expect(await query(connection, 'show listen_addresses')).toEqual(['']);
});

test('a second Medic on the same folder is refused, in the same process and in another', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const first = await start(dataDir);
  await expect(start(dataDir)).rejects.toThrow(DataFolderInUseError);
  const refused = await answer(spawnOwner(dataDir));
  expect(refused.error).toBe('DataFolderInUseError');
  expect(refused.message).toContain(dataDir);
  expect(await query(first.connection, 'select 1')).toEqual([1]);
});

test('of two that start at once on an empty folder exactly one wins', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const both = [spawnOwner(dataDir), spawnOwner(dataDir)];
  const answers = await Promise.all(both.map(answer));
  expect(answers.map((a) => a.error).sort()).toEqual(['DataFolderInUseError', undefined]);
});

test('after kill -9 of the owner the next start has the committed rows and leaves no process behind', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const owner = spawnOwner(dataDir);
  const { connection, pid } = await answer(owner);
  await query(connection, 'create table t as select generate_series(1, 1000) as n');
  owner.kill('SIGKILL');
  await once(owner, 'exit');

  const next = await start(dataDir);
  expect(await query(next.connection, 'select count(*)::int from t')).toEqual([1000]);
  expect(next.pid).not.toBe(pid);
  expect(processesBelow(dataDir)).not.toContain(pid);
  await next.stop();
  expect(processesBelow(dataDir)).toEqual([]);
});

test.skipIf(!diesWithParent)('kill -9 of the owner ends its server even if nobody starts again', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const owner = spawnOwner(dataDir);
  await answer(owner);
  expect(processesBelow(dataDir)).not.toEqual([]);
  owner.kill('SIGKILL');
  await waitFor(() => processesBelow(dataDir).length === 0);
});

test('a server that was left behind is stopped and started anew', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const owner = spawnOwner(dataDir);
  const { connection, pid } = await answer(owner);
  await query(connection, 'create table t as select 1 as n');
  // Stopped, it cannot follow the kernel's signal: left behind as on a system without setpriv.
  process.kill(pid, 'SIGSTOP');
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  expect(processesBelow(dataDir)).toContain(pid);

  const log: Logged[] = [];
  const starting = start(dataDir, log);
  await waitFor(() => log.length > 0);
  expect(log[0]).toEqual(['warning', 'stopping a PostgreSQL that was left behind', { pid }]);
  process.kill(pid, 'SIGCONT');
  const next = await starting;
  expect(next.pid).not.toBe(pid);
  expect(processesBelow(dataDir)).not.toContain(pid);
  expect(await query(next.connection, 'select n from t')).toEqual([1]);
});

test('a server that was left behind and hangs is killed, and its rows are recovered', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const owner = spawnOwner(dataDir);
  const { connection, pid } = await answer(owner);
  await query(connection, 'create table t as select 1 as n');
  process.kill(pid, 'SIGSTOP');
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  const next = await start(dataDir);
  expect(processesBelow(dataDir)).not.toContain(pid);
  expect(await query(next.connection, 'select n from t')).toEqual([1]);
});

test('a stale postmaster.pid with the number of another living process does not hinder a start', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const bystander = spawn('sleep', ['30'], isRoot ? NOBODY : {});
  children.push(bystander);
  await (await start(dataDir)).stop();
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
  await writeFile(pidFile, `${bystander.pid}\n${dataDir}/postgres\n1\n5432\n\n\n\nready\n`);
  const { connection } = await start(dataDir);
  expect(await query(connection, 'select 1')).toEqual([1]);
  expect(running(bystander)).toBe(true);
});

test('kill -9 in the middle of initdb leaves nothing half done', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const owner = spawnOwner(dataDir);
  const unfinished = () => readdirSync(dataDir).filter((name) => name.startsWith('postgres.new-'));
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  await waitFor(() => unfinished().some((name) => readdirSync(join(dataDir, name)).includes('base')));
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  expect(readdirSync(dataDir)).not.toContain('postgres');
  const { connection } = await start(dataDir);
  expect(await query(connection, 'select 1')).toEqual([1]);
  expect(unfinished()).toEqual([]);
});

test('a very long path gets its socket in a short private folder', async () => {
  const dataDir = join(await tempFolder(), 'long-'.repeat(12), 'path-'.repeat(12), 'data');
  const server = await start(dataDir);
  const { host } = server.connection;
  expect(host.startsWith(realpathSync(tmpdir()))).toBe(true);
  expect(host.length).toBeLessThan(80);
  expect(statSync(host).mode & 0o777).toBe(0o700);
  expect(await query(server.connection, 'select 1')).toEqual([1]);
  await server.stop();
  expect(() => statSync(host)).toThrow('ENOENT');
});

test('something foreign in the place of the socket folder is refused, not used', async () => {
  const dataDir = join(await tempFolder(), 'data');
  await (await start(dataDir)).stop();
  await mkdir(join(dataDir, 'socket'));
  await chmod(join(dataDir, 'socket'), 0o777);
  await expect(start(dataDir)).rejects.toThrow(/socket is not usable/);
});

test('a server that dies on its own is reported, and the folder can be started again', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const first = await start(dataDir);
  await query(first.connection, 'create table t as select 1 as n');
  process.kill(first.pid, 'SIGKILL');
  expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });
  const log: Logged[] = [];
  const next = await start(dataDir, log);
  expect(await query(next.connection, 'select n from t')).toEqual([1]);
  expect(log.map(([, message]) => message).join()).toContain('was not properly shut down');
});

test('the log never quotes statements or their values', async () => {
  const log: Logged[] = [];
  const { connection } = await start(join(await tempFolder(), 'data'), log);
  await query(connection, 'create table t (n int primary key)');
  await query(connection, "insert into t values (1); select 'secret'");
  await expect(query(connection, "select 'secret'::uuid")).rejects.toThrow('secret');
  await expect(
    query(connection, 'insert into t values (1) /* secret */ on conflict do secret'),
  ).rejects.toThrow();
  await expect(
    query(connection, "set statement_timeout = 50; select pg_sleep(9), 'secret'"),
  ).rejects.toThrow();
  expect(JSON.stringify(log)).not.toContain('secret');
  expect(log.map(([, message]) => message)).toContain('canceling statement due to statement timeout');
});

test('log lines keep their level, and lines of a client are left to the client', () => {
  const level = (line: string) => readLine(line).level;
  expect(level('checkpointer|58030|PANIC:  could not write')).toBe('error');
  expect(level('client backend|53300|FATAL:  sorry, too many clients already')).toBe('error');
  expect(level('client backend|57P01|FATAL:  terminating connection')).toBeUndefined();
  expect(level('checkpointer|58030|ERROR:  could not write')).toBe('warning');
  expect(level('client backend|53100|ERROR:  could not extend file: No space left')).toBe('warning');
  expect(level('client backend|23505|ERROR:  duplicate key value')).toBeUndefined();
  expect(level('postmaster|00000|LOG:  database system is ready')).toBeUndefined();
  expect(level('\tmore of a message')).toBeUndefined();
});

test('a cluster of another major version, and a folder that is no cluster, say what to do', async () => {
  const dataDir = join(await tempFolder(), 'data');
  await (await start(dataDir)).stop();
  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '17\n');
  await expect(start(dataDir)).rejects.toThrow(/made by PostgreSQL 17, this Medic brings 18.*DATABASE_URL/);
  rmSync(join(dataDir, 'postgres', 'PG_VERSION'));
  await expect(start(dataDir)).rejects.toThrow(/not a PostgreSQL cluster: move it away/);
});

test('a platform without a package says so', () => {
  expect(() => packageRoot('linux', 'riscv64')).toThrow(
    'no embedded PostgreSQL for linux-riscv64: set DATABASE_URL',
  );
});

test('a package without links and permissions is completed', async () => {
  const root = await unpackedPackage();
  for (let i = 0; i < 2; i++) {
    const binaries = await prepareBinaries(root, join(root, 'spare'));
    expect(binaries.libraryPath).toBeUndefined();
    expect(statSync(binaries.postgres).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(root, 'native/lib/libpq.so.5'))).toBe('libpq.so.5.18');
  }
});

test.skipIf(isRoot)('a read-only package gets its links elsewhere', async () => {
  const root = await unpackedPackage();
  await chmod(join(root, 'native/lib'), 0o555);
  const spare = join(root, 'spare');
  expect((await prepareBinaries(root, spare)).libraryPath).toBe(`${spare}:${join(root, 'native/lib')}`);
  expect(readlinkSync(join(spare, 'libpq.so.5'))).toBe(join(root, 'native/lib/libpq.so.5.18'));
  await chmod(join(root, 'native/lib'), 0o755);
});

test('a server that cannot start says why', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const settings = { shared_buffers: 'nonsense' };
  const starting = startEmbeddedPostgres({ dataDir, settings, onLog: () => {} });
  await expect(starting).rejects.toThrow(/invalid value for parameter "shared_buffers"/);
  const { connection } = await start(dataDir);
  expect(await query(connection, 'show shared_buffers')).toEqual(['32MB']);
});

test.skipIf(!namespaces)('as root, a folder below one that only root can enter works', async () => {
  const closed = join(await tempFolder(), 'closed');
  await mkdir(closed, { mode: 0o700 });
  const dataDir = join(closed, 'data');
  const { connection, pid } = await start(dataDir);
  expect(await query(connection, 'select 1')).toEqual([1]);
  expect(statSync(join(dataDir, 'postgres')).uid).toBe(0);
  expect(await readFile(`/proc/${pid}/uid_map`, 'utf8')).toMatch(/^\s*65534\s+0\s+1\s*$/);
});

test.skipIf(!namespaces)('as root, kill -9 of the owner ends the server of a closed folder too', async () => {
  const closed = join(await tempFolder(), 'closed');
  await mkdir(closed, { mode: 0o700 });
  const owner = spawnOwner(join(closed, 'data'));
  await answer(owner);
  owner.kill('SIGKILL');
  if (diesWithParent) await waitFor(() => processesBelow(closed).length === 0);
  const { connection } = await start(join(closed, 'data'));
  expect(await query(connection, 'select 1')).toEqual([1]);
});

test.skipIf(!namespaces)(
  'as root, a cluster still starts when its folder is closed and opened again',
  async () => {
    const outer = join(await tempFolder(), 'outer');
    const dataDir = join(outer, 'data');
    const first = await start(dataDir);
    await query(first.connection, 'create table t as select 1 as n');
    await first.stop();
    expect(statSync(join(dataDir, 'postgres')).uid).toBe(NOBODY.uid);
    for (const [mode, uid] of [
      [0o700, 0],
      [0o711, NOBODY.uid],
    ] as const) {
      await chmod(outer, mode);
      const server = await start(dataDir);
      expect(await query(server.connection, 'select n from t')).toEqual([1]);
      expect(statSync(join(dataDir, 'postgres')).uid).toBe(uid);
      await server.stop();
    }
  },
);

test.skipIf(!nobodyReadsUs)('an ordinary user runs the server as itself', async () => {
  const folder = await tempFolder();
  await chown(folder, NOBODY.uid, NOBODY.gid);
  const owner = spawnOwner(join(folder, 'data'), NOBODY);
  const { connection, pid, message } = await answer(owner);
  expect(message).toBeUndefined();
  expect(statSync(`/proc/${pid}`).uid).toBe(NOBODY.uid);
  expect(await query(connection, 'select 1')).toEqual([1]);
  owner.stdin?.end();
  await once(owner, 'exit');
  expect(processesBelow(folder)).toEqual([]);
});

test.skipIf(!nobodyReadsUs)('an ordinary user is told when the folder is not its own', async () => {
  const dataDir = join(await tempFolder(), 'data');
  await (await start(dataDir)).stop();
  const closed = await answer(spawnOwner(dataDir, NOBODY));
  expect(closed.message).toMatch(/Medic \(uid 65534\) may not write to its data folder .*data/);
  await chown(dataDir, NOBODY.uid, NOBODY.gid);
  const locked = await answer(spawnOwner(dataDir, NOBODY));
  expect(locked.message).toMatch(/cannot write .*postgres.lock: give uid 65534 permission/);
  await chown(join(dataDir, 'postgres.lock'), NOBODY.uid, NOBODY.gid);
  await chown(join(dataDir, 'postgres'), 0, 0);
  const foreign = await answer(spawnOwner(dataDir, NOBODY));
  expect(foreign.message).toMatch(
    /postgres belongs to uid 0, but Medic runs as uid 65534: run Medic as that user/,
  );
});
