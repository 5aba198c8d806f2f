import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { endMedics, eventually, register, send } from './harness/process.ts';
import { alertsOf, createSite, type Site } from './harness/site.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

let site: Site;

beforeEach(async () => {
  site = await createSite();
});
afterEach(async () => {
  await endMedics();
  await site.close();
});

test('two workers wake as a window ends, one of them killed in it: each alert opens once, within a second', async () => {
  const [api, first, second] = [site.run('api'), site.run('worker'), site.run('worker')];
  const url = await api.url();
  await Promise.all([first.url(), second.url()]);
  const end = Date.now() + 20_000;
  const window = { name: 'w', start_time: '2020-01-01', end_time: new Date(end).toISOString() };
  expect((await send(url, 'POST', '/v2/maintenance-windows', window)).status).toBe(201);
  const names = Array.from({ length: 20 }, (_, n) => `s${n}`);
  for (const name of names) await register(url, name, { alert_interval_seconds: 10 });
  for (const name of names.slice(0, 5)) {
    await send(url, 'POST', '/heartbeat', { heartbeat_name: name, status: 'DOWN' });
  }
  await eventually('all of them held back', 19_000, async () => {
    const [row] = await site.query(
      'select count(*)::int as held from medic.service_state where held_by is not null',
    );
    return row?.held === names.length;
  });
  expect(await alertsOf(site)).toEqual([]);
  first.child.kill('SIGKILL');
  await first.ended();
  await eventually('all alerts', 10_000, async () => (await alertsOf(site)).length === names.length);
  const alerts = await alertsOf(site);
  expect(new Set(alerts.map(({ name }) => name)).size).toBe(names.length);
  const delays = alerts.map(({ opened_at }) => opened_at.getTime() - end);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(100);
  expect(Math.max(...delays)).toBeLessThan(1_000);
});
