import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type DatabasePool, sql } from '../src/platform/db.ts';
import { JobRunner } from '../src/platform/jobs.ts';
import { tasksOf } from '../src/worker.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { eventually } from './harness/process.ts';
import { Receiver } from './harness/receivers.ts';
import { tell } from './harness/tell.ts';

vi.setConfig({ testTimeout: 90_000 });

let medic: TestMedic;
let hanging: Receiver;
let prompt: Receiver;
let workers: { runner: JobRunner; db: DatabasePool }[] = [];

beforeEach(async () => {
  medic = await startTestMedic({ MEDIC_ALLOWED_WEBHOOK_CIDRS: '127.0.0.0/8' });
  // The job queue knows the real time only.
  medic.clock.advance(Date.now() - medic.clock.now().getTime());
  hanging = new Receiver(() => 'hang');
  prompt = new Receiver(() => ({ status: 200, body: '' }));
  await Promise.all([hanging.listen(), prompt.listen()]);
});
afterEach(async () => {
  hanging.disconnect();
  medic.slack.disconnect();
  await Promise.all(workers.map(({ runner }) => runner.stop(1_000)));
  await Promise.all(workers.map(({ db }) => db.end()));
  workers = [];
  await Promise.all([hanging.close(), prompt.close()]);
  await medic.close();
});

function startWorkers(count: number): void {
  for (let n = 0; n < count; n += 1) {
    const db = medic.connect();
    const parts = medic.another(db);
    const runner = new JobRunner(db, parts.context.clock, parts.context.log, tasksOf(parts));
    runner.start();
    workers.push({ runner, db });
  }
}

const named = (count: number) => Array.from({ length: count }, (_, n) => `service-${n}`);
async function fail(name: string): Promise<void> {
  const fields = { heartbeat_name: name, service_name: name, alert_interval_seconds: 604_800 };
  expect((await medic.call('POST', '/v2/services', fields)).status).toBe(201);
  const body = { heartbeat_name: name, status: 'DOWN' };
  expect((await medic.call('POST', '/heartbeat', body)).status).toBe(201);
}
const webhook = (receiver: Receiver, webhookId: number) => ({
  channel: 'webhook',
  address: { url: `${receiver.url}/${webhookId}` },
  webhookId,
});
const pages = () => medic.pagerDuty.received.length;
async function statuses(): Promise<Record<string, number>> {
  const { rows } = await medic.db.query<{ what: string; count: number }>(sql`
    select channel || ' ' || coalesce(webhook_id::text || ' ', '') || status as what, count(*)::int as count
    from medic.notifications group by 1`);
  return Object.fromEntries(rows.map(({ what, count }) => [what, count]));
}

test('50 failing services, 4 destinations, two workers, one destination that hangs: all others get all, once', async () => {
  for (const name of named(50)) await fail(name);
  await tell(medic, [webhook(hanging, 1), webhook(prompt, 2)]);
  startWorkers(2);
  const everythingElse = () =>
    pages() === 50 && medic.slack.messages.length === 50 && prompt.received.length === 50;
  await eventually('every first attempt', 5_000, everythingElse);
  await eventually('records', 5_000, async () => (await statuses())['webhook 2 success'] === 50);
  const { 'webhook 1 pending': pending, 'webhook 1 retrying': begun, ...others } = await statuses();
  expect(others).toEqual({ 'slack success': 50, 'pagerduty success': 50, 'webhook 2 success': 50 });
  // Two workers give it eight of their slots each.
  expect([begun, (begun ?? 0) + (pending ?? 0)]).toEqual([16, 50]);
  expect(hanging.received).toHaveLength(16);
  const ids = prompt.received.map(({ headers }) => headers['x-medic-delivery']);
  expect(new Set(ids).size).toBe(50);
});

test('a hundred destinations that hang delay nobody else, neither what waits already nor what comes later', async () => {
  for (const name of named(20)) await fail(name);
  await tell(medic, [
    ...Array.from({ length: 100 }, (_, n) => webhook(hanging, n + 1)),
    webhook(prompt, 1000),
  ]);
  startWorkers(1);
  await eventually('all that hang', 20_000, () => hanging.received.length >= 500);
  await eventually('every other message', 5_000, () => prompt.received.length === 20 && pages() === 20);
  // Each of them has a slot of its own.
  await eventually(
    'each that hangs',
    5_000,
    () => new Set(hanging.received.map(({ path }) => path)).size === 100,
  );
  const from = performance.now();
  await fail('urgent');
  await eventually('the next page', 3_000, () => pages() === 21);
  expect(performance.now() - from).toBeLessThan(3_000);
  expect(medic.slack.messages).toHaveLength(21);
});

test('a worker that has nothing to do asks the database a few times in a second, however many slots it has', async () => {
  startWorkers(1);
  await fail('one');
  await eventually('its page', 5_000, () => pages() === 1);
  const calls = async () => {
    const { rows } = await medic.db.query<{ n: number }>(sql`
      select sum(xact_commit)::int as n from pg_stat_database where datname = current_database()`);
    return rows[0]?.n ?? 0;
  };
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const before = await calls();
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  // The statistics come in lumps, and the upkeep of PostgreSQL counts; a thousand slots would ask thousands of times.
  expect(((await calls()) - before) / 4).toBeLessThan(50);
});
