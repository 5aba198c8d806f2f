import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Parts } from '../src/app.ts';
import { SETTLING_MS } from '../src/features/heartbeats/detect.ts';
import { createWebhook } from '../src/features/routing/webhooks.ts';
import { sql } from '../src/platform/db.ts';
import { JobRunner } from '../src/platform/jobs.ts';
import { runRound, tasksOf, Worker } from '../src/worker.ts';
import { atEnd } from './lib/cleanup.ts';
import { type Bed, FAILING, makeBed, makeHealthy, makeOverdue } from './lib/detect-bed.ts';
import type { Outcome } from './lib/figures.ts';
import type { Options } from './lib/options.ts';
import { median, quantile } from './lib/statistics.ts';

const DESTINATIONS = 3;
/** One alert every 100 ms: the system has nothing to do in between. */
const UNLOADED_SPREAD_MS = FAILING * 100;
const UNLOADED_SECONDS = 20;
const PATIENCE_MS = 600_000;

/** How fast alerts find their way to Slack, PagerDuty and a webhook, when many fail at once and when few do. */
export async function route(options: Options): Promise<Outcome> {
  const receiver = await startReceiver();
  const bed = await makeBed(FAILING);
  const parts = bed.partsWith(environment(receiver));
  const { address } = receiver;
  await createWebhook(parts.context, { url: `${address()}/webhook` }, 'bench');
  const bursts: Awaited<ReturnType<typeof burst>>[] = [];
  for (let round = 0; round < options.rounds; round += 1) bursts.push(await burst(bed, parts, receiver));
  const waits = await unloaded(bed, parts);
  const of = (member: 'decisionsPerSecond' | 'deliveriesPerSecond') =>
    median(bursts.map((one) => one[member]));
  const wrong = bursts.reduce(
    (total, one) => total + Math.abs(one.sent - FAILING * DESTINATIONS) + Math.abs(one.received - one.sent),
    0,
  );
  return {
    figures: [
      { what: 'alerts at one instant', value: FAILING, unit: '' },
      { what: 'destinations of each', value: DESTINATIONS, unit: '' },
      { what: 'decisions, with the alert and its rows', value: of('decisionsPerSecond'), unit: '/s' },
      { what: 'deliveries, one process', value: of('deliveriesPerSecond'), unit: '/s' },
      { what: 'messages lost or repeated', value: wrong, unit: '', target: { most: 0 } },
      { what: 'unloaded: messages', value: waits.length, unit: '' },
      { what: 'unloaded: commit to first attempt, p50', value: quantile(waits, 0.5), unit: 'ms' },
      {
        what: 'unloaded: commit to first attempt, p99',
        value: quantile(waits, 0.99),
        unit: 'ms',
        target: { most: 1000 },
      },
      { what: 'unloaded: commit to first attempt, longest', value: Math.max(...waits), unit: 'ms' },
    ],
    runs: { bursts },
  };
}

interface Receiver {
  address(): string;
  /** Since the last call. */
  received(): number;
}

/** Answers every channel as its receiver would. */
async function startReceiver(): Promise<Receiver> {
  let count = 0;
  const server: Server = createServer((request, response) => {
    request.resume().on('end', () => {
      count += 1;
      response.writeHead(request.url === '/pagerduty' ? 202 : 200, { 'content-type': 'application/json' });
      response.end('{"ok":true,"ts":"1.1"}');
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    address: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => {
      const since = count;
      count = 0;
      return since;
    },
  };
}

function environment({ address }: Receiver): Record<string, string> {
  return {
    SLACK_API_TOKEN: 'xoxb-bench',
    SLACK_CHANNEL_ID: 'C0BENCH',
    SLACK_API_BASE_URL: address(),
    PAGERDUTY_ROUTING_KEY: '0123456789abcdef0123456789abcdef',
    PAGERDUTY_EVENTS_URL: `${address()}/pagerduty`,
    MEDIC_ALLOWED_WEBHOOK_CIDRS: '127.0.0.0/8',
  };
}

/** Every service fails at the same instant: first what that decides, then what it sends. */
async function burst({ db, clock }: Bed, parts: Parts, receiver: Receiver) {
  await makeHealthy(db);
  const at = new Date(clock.now().getTime() + 2_000);
  await makeOverdue(db, at, 0);
  await sleep(at.getTime() + SETTLING_MS + 2 - clock.now().getTime());
  const deciding = performance.now();
  await runRound(parts);
  const decideSeconds = (performance.now() - deciding) / 1000;
  const [counted] = await rowsOf(db);
  receiver.received();
  const runner = new JobRunner(parts.context.db, clock, parts.context.log, tasksOf(parts));
  const sending = performance.now();
  runner.start();
  let sent = 0;
  while (sent < FAILING * DESTINATIONS && performance.now() - sending < PATIENCE_MS) {
    await sleep(100);
    sent = (await rowsOf(db))[1];
  }
  const sendSeconds = (performance.now() - sending) / 1000;
  await runner.stop(5_000);
  return {
    decisionsPerSecond: counted / decideSeconds,
    deliveriesPerSecond: sent / sendSeconds,
    sent,
    received: receiver.received(),
  };
}

/** How many notifications there are, and how many were taken. */
async function rowsOf(db: Bed['db']): Promise<[number, number]> {
  const { rows } = await db.query<{ all: number; sent: number }>(sql`
    select count(*)::int as all, (count(*) filter (where status = 'success'))::int as sent
    from medic.notifications`);
  return [rows[0]?.all ?? 0, rows[0]?.sent ?? 0];
}

/** The worker as it runs in production, with little to do. @returns milliseconds from commit to first attempt. */
async function unloaded({ db, clock }: Bed, parts: Parts): Promise<number[]> {
  await makeHealthy(db);
  await makeOverdue(db, new Date(clock.now().getTime() + 2_000), UNLOADED_SPREAD_MS);
  const worker = new Worker(parts);
  worker.start();
  await sleep(UNLOADED_SECONDS * 1000);
  await worker.stop(5_000);
  const { rows } = await db.query<{ ms: number }>(sql`
    select extract(epoch from attempt.started_at - pg_xact_commit_timestamp(event.xmin))::float8 * 1000 as ms
    from medic.delivery_attempts attempt
    join medic.notifications notification using (delivery_id)
    join medic.alert_events event using (alert_event_id)
    where attempt.attempt = 1`);
  return rows.map(({ ms }) => ms);
}
