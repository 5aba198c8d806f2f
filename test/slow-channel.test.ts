import { afterEach, beforeEach, expect, test } from 'vitest';
import { addJobs, JobRunner } from '../src/platform/jobs.ts';
import { tasksOf } from '../src/worker.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { eventually } from './harness/process.ts';

let medic: TestMedic;
let runner: JobRunner | undefined;

beforeEach(async () => {
  medic = await startTestMedic();
});
afterEach(async () => {
  medic.slack.disconnect();
  await runner?.stop(1_000);
  runner = undefined;
  await medic.close();
});

/** The real runner. The job queue knows the real time only, so Medic's clock is set to the present. */
function runJobs(): JobRunner {
  const { db, clock, log } = medic.parts.context;
  medic.clock.advance(Date.now() - clock.now().getTime());
  runner = new JobRunner(db, clock, log, tasksOf(medic.parts));
  runner.start();
  return runner;
}

async function fail(name: string, interval = 3600): Promise<void> {
  const fields = { heartbeat_name: name, service_name: name, alert_interval_seconds: interval };
  expect((await medic.call('POST', '/v2/services', fields)).status).toBe(201);
  await report(name);
}

async function report(name: string): Promise<void> {
  const body = { heartbeat_name: name, status: 'DOWN' };
  expect((await medic.call('POST', '/heartbeat', body)).status).toBe(201);
}

const names = Array.from({ length: 50 }, (_, n) => `service-${n}`);
const triggers = () => medic.pagerDuty.events.filter((event) => event.event_action === 'trigger').length;

test('fifty alerts reach PagerDuty at once while Slack never answers', async () => {
  medic.slack.answer = () => 'hang';
  runJobs();
  await Promise.all(names.map((name) => fail(name)));
  await eventually('all pages', 5_000, () => triggers() === names.length);
  expect(medic.slack.received.length).toBeLessThanOrEqual(8);
});

test('fifty reminders that hang in Slack, and nothing else to do, leave room for the next page', async () => {
  await medic.close();
  medic = await startTestMedic({ MEDIC_REMINDER_MIN_SECONDS: '0' });
  runJobs();
  await Promise.all(names.map((name) => fail(name)));
  await eventually('all messages', 10_000, () => medic.slack.messages.length === names.length);
  await eventually('all pages', 10_000, () => triggers() === names.length);
  medic.slack.answer = () => 'hang';
  await Promise.all(names.map((name) => report(name)));
  await eventually('reminders that hang', 5_000, () => medic.slack.received.length >= names.length + 8);
  await fail('urgent');
  await eventually('the next page', 5_000, () => triggers() === names.length + 1);
  expect(medic.slack.received.length).toBeLessThanOrEqual(names.length + 8);
});

test('a runner that is stopped right after its start, or while it starts, ends at once', async () => {
  const { db, clock, log } = medic.parts.context;
  for (const wait of [0, 1, 5, 20, 50]) {
    const brief = new JobRunner(db, clock, log, tasksOf(medic.parts));
    brief.start();
    await new Promise((resolve) => setTimeout(resolve, wait));
    const from = performance.now();
    await brief.stop(20_000);
    expect(performance.now() - from).toBeLessThan(3_000);
  }
  const { rowCount } = await db.query({ text: 'select from medic.workers' });
  expect(rowCount).toBe(0);
});

test('what a stopped runner leaves unfinished is free for others at once', async () => {
  const { db, clock, log } = medic.parts.context;
  let begun = 0;
  const hanging = new JobRunner(db, clock, log, {
    hang: () => {
      begun += 1;
      return new Promise(() => {});
    },
  });
  medic.clock.advance(Date.now() - clock.now().getTime());
  hanging.start();
  await addJobs(db, [{ task: 'hang', payload: {}, runAt: clock.now(), key: 'one' }]);
  await eventually('a job in flight', 5_000, () => begun === 1);
  await hanging.stop(200);
  let taken = 0;
  const other = new JobRunner(db, clock, log, {
    hang: async () => {
      taken += 1;
    },
  });
  other.start();
  await eventually('takeover', 5_000, () => taken === 1);
  await other.stop(1_000);
});
