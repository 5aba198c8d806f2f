import path from 'node:path';
import { startMedic } from './lib/children.ts';
import { temporaryFolder } from './lib/cleanup.ts';
import { onDatabase } from './lib/database.ts';
import type { Outcome } from './lib/figures.ts';
import { type OpenResult, openLoop, type Schedule } from './lib/open-loop.ts';
import type { Options } from './lib/options.ts';
import { registerServices } from './lib/services.ts';
import { median } from './lib/statistics.ts';

const SERVICES = 500;
const CONNECTIONS = 1000;
/** Time runs twenty times as fast in the shape of the load: a minute is 3 s, of which the first 0.3 s are the burst. */
const MINUTE_SECONDS = 3;
const BURST_SECONDS = 0.3;
const MINUTES_OF_AN_HOUR = 4;
const HOURS = 2;
const EVERY_MINUTE = 8;
const EVERY_HOUR = 20;

/** Cron jobs all start at the full minute, and more of them at the full hour. */
function shape(rate: number): Schedule {
  return {
    seconds: HOURS * MINUTES_OF_AN_HOUR * MINUTE_SECONDS,
    kinds: 3,
    at: (second) => {
      if (second % MINUTE_SECONDS >= BURST_SECONDS) return { rate, kind: 0 };
      const isHour = Math.floor(second / MINUTE_SECONDS) % MINUTES_OF_AN_HOUR === 0;
      return isHour ? { rate: rate * EVERY_HOUR, kind: 2 } : { rate: rate * EVERY_MINUTE, kind: 1 };
    },
  };
}

/** Whether a burst above capacity loses anything, and how long its senders wait. */
export async function burst(options: Options): Promise<Outcome> {
  const medic = await startMedic(path.join(await temporaryFolder(), 'data'));
  const requests = await registerServices(medic.port, SERVICES);
  // Compiles what is hot; the first burst would measure that otherwise.
  await run(options.rate, 1);
  const rounds: (OpenResult & { stored: number })[] = [];
  for (let round = 0; round < options.rounds; round += 1) {
    const before = await stored();
    const result = await run(options.rate, undefined);
    rounds.push({ ...result, stored: (await stored()) - before });
  }
  await medic.stop();
  return outcomeOf(rounds, options.rate);

  function run(rate: number, seconds: number | undefined): Promise<OpenResult> {
    const full = shape(rate);
    const schedule = { ...full, seconds: seconds ?? full.seconds };
    return openLoop({ port: medic.port, connections: CONNECTIONS, requests, schedule });
  }

  async function stored(): Promise<number> {
    const { rows } = await onDatabase(medic, (client) =>
      client.query<{ n: number }>('select count(*)::int as n from medic.heartbeats'),
    );
    return rows[0]?.n ?? 0;
  }
}

function outcomeOf(rounds: readonly (OpenResult & { stored: number })[], rate: number): Outcome {
  const sum = (member: (round: (typeof rounds)[number]) => number) =>
    rounds.reduce((total, round) => total + member(round), 0);
  const answers = ({ statuses }: OpenResult) =>
    Object.values(statuses).reduce((total, count) => total + count, 0);
  const status = (code: number) => sum(({ statuses }) => statuses[code] ?? 0);
  const wait = (kind: number, share: number) =>
    median(rounds.map(({ latencies }) => latencies[kind]?.quantile(share) ?? Number.NaN));
  const worst = median(rounds.map(({ latencies }) => Math.max(...latencies.map(({ max }) => max))));
  const count = (what: string, value: number) => ({ what, value, unit: '', target: { most: 0 } });
  return {
    figures: [
      { what: 'base rate', value: rate, unit: '/s' },
      { what: 'rate in the hourly burst', value: rate * EVERY_HOUR, unit: '/s' },
      { what: 'heartbeats sent', value: sum(({ sent }) => sent), unit: '' },
      { what: 'acknowledged (201)', value: status(201), unit: '' },
      { what: 'refused with Retry-After (503)', value: status(503), unit: '' },
      count('other answers', sum(answers) - status(201) - status(503)),
      count(
        'without an answer',
        sum(({ unanswered }) => unanswered),
      ),
      count(
        'acknowledged but not stored, or stored twice',
        sum((round) => Math.abs((round.statuses[201] ?? 0) - round.stored)),
      ),
      { what: 'p99 between bursts (1×)', value: wait(0, 0.99), unit: 'ms' },
      { what: `p99 in the burst of the minute (${EVERY_MINUTE}×)`, value: wait(1, 0.99), unit: 'ms' },
      { what: `p99 in the burst of the hour (${EVERY_HOUR}×)`, value: wait(2, 0.99), unit: 'ms' },
      { what: 'longest wait', value: worst, unit: 'ms' },
      { what: 'most heartbeats waiting', value: median(rounds.map(({ backlog }) => backlog)), unit: '' },
    ],
    runs: rounds.map(({ latencies, ...round }) => ({
      ...round,
      p50: latencies.map((kind) => kind.quantile(0.5)),
      p99: latencies.map((kind) => kind.quantile(0.99)),
      max: latencies.map((kind) => kind.max),
    })),
  };
}
