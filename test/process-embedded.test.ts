import { readFileSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import {
  cleanUp,
  diesWithParent,
  isRoot,
  NOBODY,
  nobodyReadsUs,
  processesBelow,
  query,
  start,
  tempFolder,
  waitFor,
} from './fixtures/embedded-postgres-harness.ts';
import {
  endMedics,
  eventually,
  Load,
  type MedicProcess,
  register,
  runMedic,
  send,
} from './harness/process.ts';
import { FakePagerDuty } from './harness/receivers.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

afterEach(async () => {
  await endMedics();
  await cleanUp();
});

const ROOT = join(import.meta.dirname, '..');

async function startEmbedded(dataDir: string): Promise<{ medic: MedicProcess; url: string }> {
  const medic = runMedic({ env: { MEDIC_DATA_DIR: dataDir } });
  return { medic, url: await medic.url() };
}

async function hangingPagerDuty(): Promise<FakePagerDuty> {
  const receiver = new FakePagerDuty();
  receiver.answer = () => 'hang';
  await receiver.listen();
  return receiver;
}

/** The acknowledged heartbeats that the database of a data folder does not have. */
async function missing(dataDir: string, load: Load): Promise<string[]> {
  const server = await start(dataDir);
  const stored = new Set(await query(server.connection, 'select run_id from medic.heartbeats'));
  await server.stop();
  return [...load.acknowledged].filter((id) => !stored.has(id));
}

test('kill -9 under load loses no acknowledged heartbeat and leaves no PostgreSQL behind', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const first = await startEmbedded(dataDir);
  await register(first.url, 'busy');
  const load = new Load(first.url, 'busy');
  await eventually('load', 10_000, () => load.acknowledged.size > 500);
  first.medic.child.kill('SIGKILL');
  await first.medic.ended();
  await load.stop();
  expect(load.odd).toEqual([]);
  if (diesWithParent) await waitFor(() => processesBelow(dataDir).length === 0);

  // It comes up again by itself, and serves.
  const second = await startEmbedded(dataDir);
  expect(
    (await send(second.url, 'POST', '/heartbeat', { heartbeat_name: 'busy', status: 'UP' })).status,
  ).toBe(201);
  second.medic.child.kill('SIGTERM');
  expect(await second.medic.ended()).toMatchObject({ code: 0 });
  expect(await missing(dataDir, load)).toEqual([]);
});

test('kill -9 of Medic and of all its PostgreSQL processes under load loses no acknowledged heartbeat', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const { medic, url } = await startEmbedded(dataDir);
  await register(url, 'busy');
  const load = new Load(url, 'busy');
  await eventually('load', 10_000, () => load.acknowledged.size > 500);
  for (const pid of [...processesBelow(dataDir), medic.child.pid ?? 0]) process.kill(pid, 'SIGKILL');
  await medic.ended();
  await load.stop();
  await waitFor(() => processesBelow(dataDir).length === 0);
  expect(await missing(dataDir, load)).toEqual([]);
});

test('a crash of one PostgreSQL process is survived: 503 meanwhile, and everything works again by itself', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const { medic, url } = await startEmbedded(dataDir);
  await register(url, 'busy');
  const load = new Load(url, 'busy');
  await eventually('load', 10_000, () => load.acknowledged.size > 200);
  const main = Math.min(...processesBelow(dataDir));
  const backends = processesBelow(dataDir).filter((pid) => pid !== main);
  process.kill(backends.at(-1) as number, 'SIGKILL');
  const before = load.acknowledged.size;
  await eventually('heartbeats again', 10_000, () => load.acknowledged.size > before + 200);
  await load.stop();
  expect(load.odd).toEqual([]);
  expect([...load.others.keys()]).toEqual([503]);
  await eventually(
    'healthy',
    10_000,
    async () => (await send(url, 'GET', '/health')).body.status === 'healthy',
  );
  medic.child.kill('SIGTERM');
  expect(await medic.ended()).toMatchObject({ code: 0 });
  expect(await missing(dataDir, load)).toEqual([]);
});

test('SIGTERM under load answers every accepted request and ends with 0, PostgreSQL last', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const { medic, url } = await startEmbedded(dataDir);
  await register(url, 'busy');
  const load = new Load(url, 'busy');
  await eventually('load', 10_000, () => load.acknowledged.size > 500);
  const before = medic.lines().length;
  medic.child.kill('SIGTERM');
  const end = await medic.ended();
  await load.stop();
  expect(end).toMatchObject({ code: 0 });
  expect(end.ms).toBeLessThan(5_000);
  expect(load.odd).toEqual([]);
  expect([...load.others.keys()]).toEqual([0]);
  expect(processesBelow(dataDir)).toEqual([]);
  const log = medic.lines().slice(before);
  expect(log.filter(({ level }) => level === 'WARNING' || level === 'ERROR')).toEqual([]);
  expect(log.at(-1)).toMatchObject({ message: 'stopped' });
  expect(await missing(dataDir, load)).toEqual([]);
});

test('a second signal ends at once, and PostgreSQL with it', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const hanging = await hangingPagerDuty();
  const medic = runMedic({
    env: {
      MEDIC_DATA_DIR: dataDir,
      PAGERDUTY_ROUTING_KEY: 'key',
      PAGERDUTY_EVENTS_URL: `${hanging.url}/v2/enqueue`,
    },
  });
  const url = await medic.url();
  await register(url, 'broken');
  await send(url, 'POST', '/heartbeat', { heartbeat_name: 'broken', status: 'DOWN' });
  await eventually('a delivery in flight', 5_000, () => hanging.received.length > 0);
  medic.child.kill('SIGTERM');
  await sleep(1_000);
  expect(medic.child.exitCode).toBe(null);
  medic.child.kill('SIGTERM');
  const end = await medic.ended();
  await hanging.close();
  expect(end).toMatchObject({ code: 1 });
  expect(end.ms).toBeLessThan(2_000);
  if (diesWithParent) await waitFor(() => processesBelow(dataDir).length === 0);
});

test('a delivery that hangs does not hold up the shutdown longer than its timeout', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const hanging = await hangingPagerDuty();
  const medic = runMedic({
    env: {
      MEDIC_DATA_DIR: dataDir,
      MEDIC_SHUTDOWN_TIMEOUT_SECONDS: '3',
      PAGERDUTY_ROUTING_KEY: 'key',
      PAGERDUTY_EVENTS_URL: `${hanging.url}/v2/enqueue`,
    },
  });
  const url = await medic.url();
  await register(url, 'broken');
  await send(url, 'POST', '/heartbeat', { heartbeat_name: 'broken', status: 'DOWN' });
  await eventually('a delivery in flight', 5_000, () => hanging.received.length > 0);
  medic.child.kill('SIGTERM');
  const end = await medic.ended();
  await hanging.close();
  expect(end).toMatchObject({ code: 0 });
  expect(end.ms).toBeLessThan(6_000);
  const server = await start(dataDir);
  expect(
    await query(
      server.connection,
      'select count(*)::int from graphile_worker.jobs where locked_at is not null',
    ),
  ).toEqual([0]);
  expect(await query(server.connection, 'select count(*)::int from graphile_worker.jobs')).toEqual([1]);
});

const startScript: string = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts.start;

// Without exec, npm tells the shell between it and Medic, which ends and leaves Medic running.
const passedOn = startScript.startsWith('exec ');
const why = passedOn ? '' : ' (SKIPPED: the script lacks exec)';
test.skipIf(!passedOn)(`npm start passes SIGTERM on${why}`, () => stopsInOrder('SIGTERM', 'npm'));

test('Ctrl-C below npm start, which may arrive twice, stops in order', () => stopsInOrder('SIGINT', 'group'));

async function stopsInOrder(signal: NodeJS.Signals, to: 'npm' | 'group'): Promise<void> {
  const dataDir = join(await tempFolder(), 'data');
  const medic = runMedic({
    command: 'npm',
    args: ['start'],
    env: { MEDIC_DATA_DIR: dataDir, HOME: dataDir },
    options: { cwd: ROOT, detached: true },
  });
  const url = await medic.url();
  await register(url, 'busy');
  const pid = medic.child.pid as number;
  process.kill(to === 'group' ? -pid : pid, signal);
  await medic.ended();
  await waitFor(() => processesBelow(dataDir).length === 0);
  expect(medic.lines().at(-1), medic.output()).toMatchObject({ message: 'stopped' });
}

test('a second Medic on the same data folder refuses with a message and exit code 1', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const { url } = await startEmbedded(dataDir);
  const second = runMedic({ env: { MEDIC_DATA_DIR: dataDir } });
  expect(await second.ended()).toMatchObject({ code: 1 });
  expect(second.output()).toContain(dataDir);
  expect(second.output()).toMatch(/^medic: .*(in use|already|another)/im);
  expect((await send(url, 'GET', '/health/ready')).status).toBe(200);
});

test('a role alone refuses to start on the embedded database', async () => {
  for (const role of ['api', 'worker']) {
    const medic = runMedic({ args: [role], env: { MEDIC_DATA_DIR: join(await tempFolder(), 'data') } });
    expect(await medic.ended()).toMatchObject({ code: 1 });
    expect(medic.output()).toContain('DATABASE_URL');
  }
});

test.skipIf(!isRoot || !nobodyReadsUs)('an ordinary user starts it without any setting', async () => {
  const folder = await tempFolder();
  await chown(folder, NOBODY.uid, NOBODY.gid);
  const medic = runMedic({ env: {}, options: { ...NOBODY, cwd: folder } });
  const url = await medic.url();
  await register(url, 'mine');
  expect((await send(url, 'POST', '/heartbeat', { heartbeat_name: 'mine', status: 'UP' })).status).toBe(201);
  medic.child.kill('SIGINT');
  expect(await medic.ended()).toMatchObject({ code: 0 });
  expect(processesBelow(folder)).toEqual([]);
});

test('when its PostgreSQL is ended by someone else, Medic says so and ends with 1', async () => {
  const dataDir = join(await tempFolder(), 'data');
  const { medic } = await startEmbedded(dataDir);
  process.kill(Math.min(...processesBelow(dataDir)), 'SIGKILL');
  const end = await medic.ended();
  expect(end).toMatchObject({ code: 1 });
  expect(end.ms).toBeLessThan(5_000);
  expect(medic.output()).toContain('PostgreSQL ended by itself');
});

test('SIGTERM while it waits for a database that does not answer ends with 0 at once', async () => {
  const folder = await tempFolder();
  const database = `postgres://nobody@/none?host=${encodeURIComponent(folder)}`;
  const medic = runMedic({ args: ['api'], env: { DATABASE_URL: database } });
  await eventually('waiting', 10_000, () => medic.output().includes('waiting for it'));
  medic.child.kill('SIGTERM');
  const end = await medic.ended();
  expect(end).toMatchObject({ code: 0 });
  expect(end.ms).toBeLessThan(3_000);
});
