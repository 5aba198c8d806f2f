import { afterEach, expect, test, vi } from 'vitest';
import { cleanUp } from './fixtures/embedded-postgres-harness.ts';
import { createTestDatabase } from './harness/database.ts';
import { endMedics, eventually, register, runMedic, send } from './harness/process.ts';
import { FakePagerDuty } from './harness/receivers.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 30_000 });

afterEach(async () => {
  await endMedics();
  await cleanUp();
});

test('a worker that is killed with a delivery in flight is replaced by another within a minute', async () => {
  const database = await createTestDatabase();
  const pagerDuty = new FakePagerDuty();
  const answer = pagerDuty.answer;
  pagerDuty.answer = () => 'hang';
  await pagerDuty.listen();
  const run = (role: string) =>
    runMedic({
      args: [role],
      env: {
        DATABASE_URL: database.url,
        PAGERDUTY_ROUTING_KEY: 'key',
        PAGERDUTY_EVENTS_URL: `${pagerDuty.url}/v2/enqueue`,
      },
    });
  const [api, first] = [run('api'), run('worker')];
  const url = await api.url();
  await first.url();
  await register(url, 'broken');
  await send(url, 'POST', '/heartbeat', { heartbeat_name: 'broken', status: 'DOWN' });
  await eventually('a delivery in flight', 5_000, () => pagerDuty.received.length === 1);
  const second = run('worker');
  await second.url();
  first.child.kill('SIGKILL');
  await first.ended();
  pagerDuty.answer = answer;
  await eventually('takeover', 60_000, () => pagerDuty.received.length === 2);
  await eventually('its result', 2_000, async () => {
    const alert = await send(url, 'GET', '/v2/alerts/1');
    const sent = alert.body.results.notifications.find(
      ({ channel }: { channel: string }) => channel === 'pagerduty',
    );
    return sent.status === 'success' && sent.attempts === 1;
  });
  expect(second.lines().map((line) => line.message)).toContain('jobs of dead workers are taken over');
  await endMedics();
  await pagerDuty.close();
  await database.drop();
});
