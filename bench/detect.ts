import { setTimeout as sleep } from 'node:timers/promises';
import { nextMuteEnd } from '../src/features/alerts/mute.ts';
import { nextCheck, SETTLING_MS } from '../src/features/heartbeats/detect.ts';
import { sql } from '../src/platform/db.ts';
import { runRound, Worker } from '../src/worker.ts';
import { type Bed, delays, FAILING, makeBed, makeHealthy, makeOverdue } from './lib/detect-bed.ts';
import type { Outcome } from './lib/figures.ts';
import type { Options } from './lib/options.ts';
import { byStatement } from './lib/recorder.ts';
import { median, quantile } from './lib/statistics.ts';

const TICKS = 200;
const SPREAD_MS = 20_000;
const EXPLAINS = 15;
/** With both, so that each alert has two notifications with their jobs. Nothing is sent: no job runner runs. */
const RECEIVERS = {
  SLACK_API_TOKEN: 'xoxb-bench',
  SLACK_CHANNEL_ID: 'C0BENCH',
  SLACK_API_BASE_URL: 'http://127.0.0.1:1',
  PAGERDUTY_ROUTING_KEY: '0123456789abcdef0123456789abcdef',
  PAGERDUTY_EVENTS_URL: 'http://127.0.0.1:1',
};

/** What looking at the clock costs with so many services, and how soon silence becomes an alert. */
export async function detect(options: Options): Promise<Outcome> {
  const bed = await makeBed(options.services);
  const idle = await idleTick(bed);
  const together: Awaited<ReturnType<typeof allAtOnce>>[] = [];
  for (let round = 0; round < options.rounds; round += 1) together.push(await allAtOnce(bed));
  const spread: number[][] = [];
  for (let round = 0; round < options.rounds; round += 1) spread.push(await oneByOne(bed));
  const wait = (share: number) => median(spread.map((list) => quantile(list, share)));
  const short = (what: string, count: number) => ({ what, value: count, unit: '', target: { most: 0 } });
  const rows = (member: 'alerts' | 'notifications' | 'jobs', each: number) =>
    together.reduce((total, counts) => total + Math.abs(FAILING * each - counts[member]), 0);
  return {
    figures: [
      { what: 'services', value: options.services, unit: '' },
      {
        what: 'idle tick: time in the database',
        value: idle.databaseMs,
        unit: 'ms',
        target: { most: 1 },
      },
      { what: 'idle tick: time on the clock', value: idle.tickMs, unit: 'ms' },
      { what: 'idle tick: one round trip (select 1)', value: idle.roundTripMs, unit: 'ms' },
      {
        what: '10,000 overdue at one instant: until the last commit',
        value: median(together.map(({ seconds }) => seconds)),
        unit: 's',
        target: { most: 2 },
      },
      short('alerts missing or too many', rows('alerts', 1)),
      short('notifications missing or too many', rows('notifications', 2)),
      short('jobs missing or too many', rows('jobs', 2)),
      { what: '10,000 over 20 s: deadline to commit, p50', value: wait(0.5), unit: 'ms' },
      {
        what: '10,000 over 20 s: deadline to commit, p99',
        value: wait(0.99),
        unit: 'ms',
        target: { most: 1000 },
      },
      { what: '10,000 over 20 s: deadline to commit, longest', value: wait(1), unit: 'ms' },
      short(
        'alerts missing or too many',
        spread.reduce((total, list) => total + Math.abs(FAILING - list.length), 0),
      ),
      short('alerts before the deadline', spread.flat().filter((ms) => ms < 0).length),
    ],
    runs: { idle, together, spread: spread.map((list) => [0.5, 0.9, 0.99, 1].map((s) => quantile(list, s))) },
  };
}

/** A round of the detector when nothing is due, as the worker does it. */
async function idleTick({ db, recorder, partsWith }: Bed) {
  const parts = partsWith(RECEIVERS);
  const tick = async () => {
    await runRound(parts);
    await Promise.all([nextCheck(db), nextMuteEnd(db)]);
  };
  const ticks = await timesOf(tick, TICKS);
  const roundTrips = await timesOf(() => db.query(sql`select 1`), TICKS);
  recorder.start();
  await tick();
  const statements = recorder.stop().map(({ statement }) => statement);
  const explained: { statement: string; ms: number }[] = [];
  for (const { text, values } of statements) {
    const times: number[] = [];
    for (let run = 0; run < EXPLAINS; run += 1) {
      const { rows } = await db.query<{ 'QUERY PLAN': [Record<string, number>] }>({
        text: `explain (analyze, format json) ${text}`,
        ...(values === undefined ? {} : { values }),
      });
      const plan = rows[0]?.['QUERY PLAN'][0];
      times.push((plan?.['Planning Time'] ?? 0) + (plan?.['Execution Time'] ?? 0));
    }
    explained.push({ statement: text.trim().replace(/\s+/g, ' ').slice(0, 90), ms: median(times) });
  }
  return {
    tickMs: median(ticks),
    tickP99Ms: quantile(ticks, 0.99),
    roundTripMs: median(roundTrips),
    databaseMs: explained.reduce((total, { ms }) => total + ms, 0),
    explained,
  };
}

async function timesOf(work: () => Promise<unknown>, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < count; run += 1) {
    const started = performance.now();
    await work();
    times.push(performance.now() - started);
  }
  return times;
}

/** Every deadline at the same instant, one detector. Its settling time counts. */
async function allAtOnce({ db, clock, recorder, partsWith }: Bed) {
  const parts = partsWith(RECEIVERS);
  await makeHealthy(db);
  const at = new Date(clock.now().getTime() + 2_000);
  await makeOverdue(db, at, 0);
  await sleep(at.getTime() + SETTLING_MS + 2 - clock.now().getTime());
  recorder.start();
  const started = performance.now();
  await runRound(parts);
  const roundMs = performance.now() - started;
  const statements = byStatement(recorder.stop()).slice(0, 15);
  const { rows } = await db.query<{ alerts: number; notifications: number; jobs: number }>(sql`
    select (select count(*)::int from medic.alerts) as alerts,
      (select count(*)::int from medic.notifications where status = 'pending') as notifications,
      (select count(*)::int from graphile_worker.jobs) as jobs`);
  const counts = rows[0] ?? { alerts: 0, notifications: 0, jobs: 0 };
  return { ...counts, seconds: Math.max(...(await delays(db))) / 1000, roundMs, statements };
}

/** Deadlines one after the other, and the worker as it runs in production; no receivers are configured. */
async function oneByOne({ db, clock, partsWith }: Bed): Promise<number[]> {
  await makeHealthy(db);
  const at = new Date(clock.now().getTime() + 3_000);
  await makeOverdue(db, at, SPREAD_MS);
  const worker = new Worker(partsWith({}));
  worker.start();
  await sleep(at.getTime() + SPREAD_MS + 3_000 - clock.now().getTime());
  await worker.stop(5_000);
  return delays(db);
}
