import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { cleanUp, tempFolder } from './fixtures/embedded-postgres-harness.ts';
import { createTestDatabase } from './harness/database.ts';
import { endMedics, eventually, register, runMedic, send } from './harness/process.ts';
import { FakePagerDuty } from './harness/receivers.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 30_000 });

afterAll(async () => {
  await endMedics();
  await cleanUp();
});

// Both are long waits, so they wait together.
test.concurrent('a worker that is killed with a delivery in flight is replaced by another within a minute', async () => {
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
  for (const { child } of [api, second]) child.kill('SIGKILL');
  await Promise.all([api.ended(), second.ended()]);
  await pagerDuty.close();
  await database.drop();
});

test.concurrent('a migration may take longer than any other statement', async () => {
  const database = await createTestDatabase();
  const folder = await tempFolder();
  await writeFile(join(folder, '900_slow.sql'), 'select pg_sleep(21); create table medic.slow (n integer);');
  const medic = runMedic({
    args: ['migrate', '--migrations-dir', folder],
    env: { DATABASE_URL: database.url },
  });
  expect(await medic.ended(), medic.output()).toMatchObject({ code: 0 });
  expect(medic.output()).toContain('1 applied');
  await database.drop();
});
