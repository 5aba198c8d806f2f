import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test, vi } from 'vitest';
import { cleanUp } from './fixtures/embedded-postgres-harness.ts';
import { endMedics, type MedicProcess, register, runMedic } from './harness/process.ts';
import { ExternalServer, installedPostgres } from './harness/server.ts';
import {
  alerted,
  alertsOf,
  Beats,
  beat,
  createSite,
  outagesOf,
  type Site,
  serviceOf,
} from './harness/site.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

afterAll(async () => {
  await endMedics();
  await cleanUp();
});

const INTERVAL_MS = 10_000;
const AWAY_MS = 13_000;
/** Of a process that is started, and of a look at the clock, on a busy machine. */
const SLACK_MS = 3_000;

/** Processes that can all be taken away and brought back. */
interface Scene extends Site {
  url: string;
  /** What records the outage. */
  recorder: () => MedicProcess;
  leave: () => Promise<void> | void;
  /** @returns where Medic listens then. */
  comeBack: () => Promise<string>;
}

async function killed(): Promise<Scene> {
  const site = await createSite();
  let medic = site.run('all');
  return {
    ...site,
    url: await medic.url(),
    recorder: () => medic,
    leave: () => kill(medic),
    comeBack: () => {
      medic = site.run('all');
      return medic.url();
    },
  };
}

async function frozen(): Promise<Scene> {
  const site = await createSite();
  const medic = site.run('all');
  const url = await medic.url();
  return {
    ...site,
    url,
    recorder: () => medic,
    leave: () => void medic.child.kill('SIGSTOP'),
    comeBack: async () => {
      medic.child.kill('SIGCONT');
      return url;
    },
  };
}

async function workerAlone(): Promise<Scene> {
  const site = await createSite();
  const apis = [site.run('api'), site.run('api')];
  const worker = site.run('worker');
  const [url = ''] = await Promise.all(apis.map((api) => api.url()));
  await worker.url();
  let back: MedicProcess | undefined;
  return {
    ...site,
    url,
    recorder: () => back ?? worker,
    leave: async () => void (await Promise.all(apis.map(kill))),
    comeBack: () => {
      back = site.run('api');
      return back.url();
    },
  };
}

async function withoutDatabase(): Promise<Scene> {
  const server = await ExternalServer.create();
  const medic = runMedic({ env: { DATABASE_URL: server.url } });
  const url = await medic.url();
  return {
    url,
    run: () => medic,
    query: (text) => server.query(text),
    close: async () => {
      await kill(medic);
      await server.stop();
    },
    recorder: () => medic,
    leave: () => server.stop(),
    comeBack: async () => {
      await server.start();
      return url;
    },
  };
}

async function kill({ child }: MedicProcess): Promise<void> {
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

const SCENES: [string, () => Promise<Scene>, number][] = [
  ['Medic is killed and started again', killed, 50],
  ['Medic is frozen and thawed', frozen, 10],
  ['both api processes are gone while the worker lives', workerAlone, 10],
  ...(installedPostgres === undefined
    ? []
    : [['the database is away', withoutDatabase, 10] as [string, () => Promise<Scene>, number]]),
];

if (installedPostgres === undefined) {
  test.skip('SKIPPED: no PostgreSQL is installed in /usr/lib/postgresql: when the database is away', () => {});
}

// All of it is waiting, so they wait together.
test.concurrent.each(SCENES)('when %s, only what stays silent is alerted', async (_what, create, count) => {
  const scene = await create();
  const names = Array.from({ length: count }, (_, n) => `alive-${n}`);
  const fields = { alert_interval_seconds: INTERVAL_MS / 1000 };
  await register(scene.url, 'dead', fields);
  for (const name of [...names, 'silent']) await register(scene.url, name, fields);
  const before = new Beats(scene.url, [...names, 'silent']);
  await alerted(scene, 'dead', INTERVAL_MS + SLACK_MS);
  await before.stop();
  for (const name of [...names, 'silent']) expect(await beat(scene.url, name)).toBe(201);
  const last = new Date((await serviceOf(scene.url, 'silent')).last_heartbeat);

  await scene.leave();
  await sleep(AWAY_MS);
  const url = await scene.comeBack();
  // Nothing reports for the better part of an interval: what was sent meanwhile is lost.
  await sleep(6_000);
  expect(await alertsOf(scene)).toMatchObject([{ name: 'dead' }]);
  const after = new Beats(url, names);

  const [outage, ...others] = await outagesOf(scene);
  expect(others).toEqual([]);
  if (outage === undefined) throw new Error('no outage');
  const lengthMs = outage.ended_at.getTime() - outage.started_at.getTime();
  expect(lengthMs).toBeGreaterThan(AWAY_MS - 500);
  expect(lengthMs).toBeLessThan(AWAY_MS + 2_000 + 2 * SLACK_MS);
  const due = Math.max(last.getTime() + INTERVAL_MS + lengthMs, outage.ended_at.getTime() + INTERVAL_MS);
  expect(await serviceOf(url, 'silent')).toMatchObject({
    state: expect.stringMatching(/up|late/),
    overdue_at: new Date(due).toISOString(),
  });
  expect(scene.recorder().lines()).toContainEqual(
    expect.objectContaining({
      level: 'WARNING',
      started_at: outage.started_at.toISOString(),
      ended_at: outage.ended_at.toISOString(),
      seconds: lengthMs / 1000,
    }),
  );

  const { opened_at } = await alerted(scene, 'silent', INTERVAL_MS + SLACK_MS);
  expect(opened_at.getTime()).toBeGreaterThan(due);
  expect(opened_at.getTime()).toBeLessThan(due + SLACK_MS);
  await sleep(3_000);
  expect(await alertsOf(scene)).toMatchObject([
    { name: 'dead', state: 'open' },
    { name: 'silent', state: 'open' },
  ]);
  await after.stop();
  await scene.close();
});

test.concurrent('while one of two api processes receives, the other may freeze: deadlines hold', async () => {
  const site = await createSite();
  const [sleeper, awake, worker] = [site.run('api'), site.run('api'), site.run('worker')];
  await Promise.all([sleeper.url(), worker.url()]);
  const url = await awake.url();
  for (const name of ['alive', 'silent']) await register(url, name, { alert_interval_seconds: 10 });
  const beats = new Beats(url, ['alive']);
  await sleep(2_500);
  expect(await beat(url, 'silent')).toBe(201);
  sleeper.child.kill('SIGSTOP');
  const due = new Date((await serviceOf(url, 'silent')).last_heartbeat).getTime() + INTERVAL_MS;
  const { opened_at } = await alerted(site, 'silent', INTERVAL_MS + SLACK_MS);
  expect(opened_at.getTime()).toBeGreaterThan(due);
  expect(opened_at.getTime()).toBeLessThan(due + SLACK_MS);
  await sleep(4_000);
  sleeper.child.kill('SIGCONT');
  await sleep(4_000);
  expect(await outagesOf(site)).toEqual([]);
  expect(await alertsOf(site)).toHaveLength(1);
  expect(await beat(await sleeper.url(), 'silent')).toBe(201);
  await beats.stop();
  await site.close();
});
