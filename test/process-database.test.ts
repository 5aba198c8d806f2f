import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { cleanUp } from './fixtures/embedded-postgres-harness.ts';
import {
  endMedics,
  eventually,
  Load,
  type MedicProcess,
  register,
  runMedic,
  send,
} from './harness/process.ts';
import { FakePagerDuty, FakeSlack } from './harness/receivers.ts';
import { ExternalServer, installedPostgres } from './harness/server.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const where = installedPostgres ?? 'SKIPPED: no PostgreSQL is installed in /usr/lib/postgresql';

describe.skipIf(installedPostgres === undefined)(`medic api and medic worker on ${where}`, () => {
  let server: ExternalServer;
  let slack: FakeSlack;
  let pagerDuty: FakePagerDuty;
  let api: MedicProcess;
  let worker: MedicProcess;
  let url: string;

  const run = (role: string) =>
    runMedic({
      args: [role],
      env: {
        DATABASE_URL: server.url,
        MEDIC_DB_POOL_SIZE: '4',
        SLACK_API_TOKEN: 'xoxb-test',
        SLACK_CHANNEL_ID: 'C1',
        SLACK_API_BASE_URL: slack.url,
        PAGERDUTY_ROUTING_KEY: 'key',
        PAGERDUTY_EVENTS_URL: `${pagerDuty.url}/v2/enqueue`,
      },
    });

  beforeEach(async () => {
    server = await ExternalServer.create();
    [slack, pagerDuty] = [new FakeSlack(), new FakePagerDuty()];
    await Promise.all([slack.listen(), pagerDuty.listen()]);
    // Both migrate at the same time.
    [api, worker] = [run('api'), run('worker')];
    url = await api.url();
    await worker.url();
  });
  afterEach(async () => {
    await endMedics();
    server.thaw();
    await cleanUp();
    await Promise.all([slack.close(), pagerDuty.close()]);
  });

  const beat = (name: string, status = 'UP') =>
    send(url, 'POST', '/heartbeat', { heartbeat_name: name, status });
  const pages = (name: string) =>
    pagerDuty.events
      .filter(({ dedup_key }) => dedup_key === `medic-${name}`)
      .map((event) => event.event_action);

  test('a silent service is detected at its deadline, also while the database was away, and recovers', async () => {
    await register(url, 'checkout', { alert_interval_seconds: 10 });
    expect((await beat('checkout')).status).toBe(201);
    const sent = performance.now();
    await eventually('page', 15_000, () => pages('checkout').length > 0);
    expect(performance.now() - sent).toBeGreaterThan(10_000);
    expect(performance.now() - sent).toBeLessThan(12_500);
    expect((await beat('checkout')).status).toBe(201);
    await eventually('resolve', 5_000, () => pages('checkout').length > 1);
    await eventually('both messages', 5_000, () => slack.messages.length === 2);

    // Away for less than 10 s, the deadline in the midst of it: no outage that would move it.
    await sleep(6_000);
    await server.stop();
    const away = performance.now();
    for (const health of ['/health', '/health/ready']) {
      await eventually(health, 3_000, async () => (await send(url, 'GET', health)).status === 503);
    }
    expect((await send(url, 'GET', '/health')).body).toMatchObject({
      status: 'unhealthy',
      components: { database: { status: 'unhealthy', error: 'refused' } },
    });
    expect((await send(url, 'GET', '/health/live')).status).toBe(200);
    const metrics = await send(url, 'GET', '/metrics');
    expect(metrics.status).toBe(200);
    expect(metrics.text).not.toMatch(/^medic_(alerts_active|active_services|notifications_pending)/m);
    expect(metrics.text).toMatch(/^medic_db_connection_errors_total [1-9]/m);
    const refusals = await Promise.all([
      beat('checkout'),
      send(url, 'GET', '/v2/alerts'),
      send(url, 'GET', '/alerts?active=1'),
      send(url, 'GET', '/v2/services'),
      send(url, 'POST', '/v2/services', {
        heartbeat_name: 'new',
        service_name: 'new',
        alert_interval_seconds: 60,
      }),
    ]);
    for (const answer of refusals) {
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('5');
      expect(answer.body).toMatchObject({ success: false, results: '' });
    }

    // The deadline passes while nobody can judge it.
    await sleep(Math.max(0, 6_000 - (performance.now() - away)));
    await server.start();
    const back = performance.now();
    await eventually('page', 10_000, () => pages('checkout').length > 2);
    const detected = performance.now() - back;
    expect((await beat('checkout')).status).toBe(201);
    await eventually('resolve', 5_000, () => pages('checkout').length > 3);
    expect(pages('checkout')).toEqual(['trigger', 'resolve', 'trigger', 'resolve']);
    expect(detected).toBeLessThan(5_000);
    expect(await server.query('select count(*)::int as n from medic.alerts')).toEqual([{ n: 2 }]);
    expect((await send(url, 'GET', '/health/ready')).status).toBe(200);
    for (const medic of [api, worker]) {
      medic.child.kill('SIGTERM');
      expect(await medic.ended(), medic.output()).toMatchObject({ code: 0 });
    }
  });

  test('a database that crashes during deliveries, and cut connections under load, lose nothing', async () => {
    pagerDuty.answer = () => 'hang';
    const inFlight = ['a', 'b', 'c'];
    for (const name of inFlight) {
      await register(url, name);
      await beat(name, 'DOWN');
    }
    await eventually('deliveries in flight', 5_000, () => pagerDuty.received.length === 3);
    await server.stop('SIGQUIT');
    pagerDuty.answer = new FakePagerDuty().answer;
    pagerDuty.disconnect();
    await sleep(2_000);
    await server.start();
    // A new alert is not held up by those whose attempts may still be under way.
    await register(url, 'new');
    await beat('new', 'DOWN');
    await eventually('page of a new alert', 5_000, () => pages('new').length > 0);

    const broken = Array.from({ length: 15 }, (_, n) => `broken-${n}`);
    await register(url, 'busy');
    for (const name of broken) await register(url, name);
    const load = new Load(url, 'busy');
    await eventually('load', 10_000, () => load.acknowledged.size > 100);
    for (const name of broken) {
      const report = eventually(
        'an acknowledged report',
        20_000,
        async () => (await beat(name, 'DOWN')).status === 201,
      );
      await server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name <> 'test'`,
      );
      await report;
      await sleep(100);
    }
    const before = load.acknowledged.size;
    await eventually('heartbeats again', 10_000, () => load.acknowledged.size > before + 100);
    await load.stop();
    expect(load.odd).toEqual([]);
    expect([...load.others.keys()].filter((status) => status !== 503)).toEqual([]);
    const rows = await server.query(`select run_id from medic.heartbeats where run_id is not null`);
    const stored = new Set(rows.map((row) => row.run_id));
    expect([...load.acknowledged].filter((id) => !stored.has(id))).toEqual([]);
    const alerts = `select from medic.alerts where state <> 'closed'`;
    expect(await server.query(alerts)).toHaveLength(inFlight.length + 1 + broken.length);
    // Attempts without result are repeated after their lease of 35 s.
    await eventually('all messages', 60_000, async () => {
      const rest = await server.query(`select from medic.notifications where status <> 'success'`);
      return rest.length === 0;
    });
    for (const name of inFlight) expect(pages(name)).toEqual(['trigger', 'trigger']);
    for (const name of broken) expect(pages(name)).toContain('trigger');
    for (const { child } of [api, worker]) expect(child.exitCode).toBe(null);
  });

  test('a database that freezes is answered for in bounded time, and everything goes on when it thaws', async () => {
    await register(url, 'busy');
    const timed = async (path: string, work: () => Promise<{ status: number }>) => {
      const from = performance.now();
      const { status } = await work();
      return { path, status, ms: performance.now() - from };
    };
    server.freeze();
    const heartbeat = timed('/heartbeat', () => beat('busy'));
    const answers = await Promise.all(
      ['/health', '/health/ready', '/health/live', '/metrics'].map((path) =>
        timed(path, () => send(url, 'GET', path)),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 200, 200]);
    for (const { path, ms } of answers) expect(ms, path).toBeLessThan(4_000);
    const first = await heartbeat;
    expect(first.status).toBe(503);
    expect(first.ms).toBeLessThan(25_000);
    server.thaw();
    await eventually('heartbeats', 10_000, async () => (await beat('busy')).status === 201);
    await beat('busy', 'DOWN');
    await eventually('page', 10_000, () => pages('busy').length > 0);
    await eventually(
      'ready',
      5_000,
      async () => (await send(url, 'GET', '/health')).body.status === 'healthy',
    );
  });
});
