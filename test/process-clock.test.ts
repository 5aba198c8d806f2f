import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test, vi } from 'vitest';
import { endMedics, eventually, type MedicProcess, register, send } from './harness/process.ts';
import { FakePagerDuty } from './harness/receivers.ts';
import { alerted, alertsOf, Beats, beat, createSite, outagesOf, serviceOf } from './harness/site.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 30_000 });

afterAll(endMedics);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const INTERVAL_MS = 10_000;
/** Of a look at the clock on a busy machine; what is looked for are minutes. */
const NEAR_MS = 3_000;

/** Of a process whose clock is wrong by `ms`, and by each of `then` after one more SIGUSR2. */
function wrong(pagerDuty: FakePagerDuty, ms: number, ...then: number[]): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${join(import.meta.dirname, 'fixtures/wrong-clock.ts')}`,
    WRONG_CLOCK_MS: [ms, ...then].join(),
    PAGERDUTY_ROUTING_KEY: 'key',
    PAGERDUTY_EVENTS_URL: `${pagerDuty.url}/v2/enqueue`,
  };
}

/** The differences that a process told, in seconds. */
const told = (medic: MedicProcess) =>
  medic
    .lines()
    .filter(({ level, skew_ms }) => level === 'WARNING' && skew_ms !== undefined)
    .map(({ skew_ms }) => Math.round(Number(skew_ms) / 1000));

async function lastHeartbeat(url: string, name: string): Promise<number> {
  return Date.parse((await serviceOf(url, name)).last_heartbeat);
}

/** A service falls silent now. Its report has the right time, and it is alerted and paged in time. */
async function fallsSilent(
  site: Awaited<ReturnType<typeof createSite>>,
  url: string,
  pagerDuty: FakePagerDuty,
) {
  const from = Date.now();
  expect(await beat(url, 'silent')).toBe(201);
  const heard = await lastHeartbeat(url, 'silent');
  expect(Math.abs(heard - from)).toBeLessThan(NEAR_MS);
  const { opened_at } = await alerted(site, 'silent', INTERVAL_MS + NEAR_MS);
  const late = opened_at.getTime() - heard - INTERVAL_MS;
  expect(late).toBeGreaterThan(0);
  expect(late).toBeLessThan(NEAR_MS);
  await eventually('a page', 5_000, () => pagerDuty.events.length === 1);
}

test.concurrent('processes whose clocks are minutes apart agree on the time of the database, and say so once', async () => {
  const site = await createSite();
  const pagerDuty = new FakePagerDuty();
  await pagerDuty.listen();
  const api = site.run('api', wrong(pagerDuty, -7 * MINUTE_MS));
  const worker = site.run('worker', wrong(pagerDuty, 5 * MINUTE_MS));
  const [url] = await Promise.all([api.url(), worker.url()]);
  for (const name of ['alive', 'silent']) await register(url, name, { alert_interval_seconds: 10 });
  const beats = new Beats(url, ['alive']);
  await fallsSilent(site, url, pagerDuty);
  await beats.stop();
  expect([told(api), told(worker)]).toEqual([[-420], [300]]);
  expect(await outagesOf(site)).toEqual([]);
  expect(await alertsOf(site)).toHaveLength(1);
  for (const { child } of [api, worker]) child.kill('SIGKILL');
  await Promise.all([api.ended(), worker.ended()]);
  await pagerDuty.close();
  await site.close();
});

test.concurrent('a clock that jumps by hours while Medic runs makes no outage and no alert, and hides none', async () => {
  const site = await createSite();
  const pagerDuty = new FakePagerDuty();
  await pagerDuty.listen();
  const medic = site.run('all', wrong(pagerDuty, 0, HOUR_MS, 0, -2 * HOUR_MS));
  const url = await medic.url();
  for (const name of ['alive', 'silent']) await register(url, name, { alert_interval_seconds: 10 });
  const beats = new Beats(url, ['alive', 'silent'], 500);
  for (let jump = 0; jump < 3; jump += 1) {
    await sleep(2_500);
    medic.child.kill('SIGUSR2');
  }
  await sleep(2_500);
  await beats.stop();
  const alive = new Beats(url, ['alive'], 500);
  await fallsSilent(site, url, pagerDuty);
  await alive.stop();
  expect(told(medic)).toEqual([3600, -7200]);
  expect(await outagesOf(site)).toEqual([]);
  expect(await alertsOf(site)).toHaveLength(1);
  const times = await site.query('select received_at as at from medic.heartbeats order by heartbeat_id');
  expect(times.length).toBeGreaterThan(20);
  const now = Date.now();
  for (const { at } of times) expect(Math.abs((at as Date).getTime() - now)).toBeLessThan(2 * MINUTE_MS);
  expect((await send(url, 'GET', '/health')).body.status).toBe('healthy');
  medic.child.kill('SIGTERM');
  expect(await medic.ended()).toMatchObject({ code: 0 });
  await pagerDuty.close();
  await site.close();
});
