import path from 'node:path';
import { type Child, type MedicChild, startMedic, startRival } from './lib/children.ts';
import { temporaryFolder } from './lib/cleanup.ts';
import { closedLoop, type LoadResult } from './lib/closed-loop.ts';
import { onDatabase } from './lib/database.ts';
import type { Outcome } from './lib/figures.ts';
import type { Options } from './lib/options.ts';
import { machineMs, processorMs } from './lib/processes.ts';
import { registerServices } from './lib/services.ts';
import { median } from './lib/statistics.ts';

const CONNECTIONS = 64;
const SERVICES = 500;
const WARM_UP_SECONDS = 3;

interface Round extends LoadResult {
  acknowledged: number;
  stored: number;
  /** Processor time of each request, in microseconds, by process. */
  serverUs: number;
  postgresUs: number;
  generatorUs: number;
  updates: { all: number; hot: number };
  /** Processors that programs other than these kept busy. */
  others: number;
  /** Statements of Medic that recorded them. */
  batches: number;
}

/** Durable heartbeats for each second, beside two ceilings on the same machine in the same minutes. */
export async function ingest(options: Options): Promise<Outcome> {
  const medic = await startMedic(path.join(await temporaryFolder(), 'data'));
  const requests = await registerServices(medic.port, SERVICES);
  const { host, port, user, database } = medic.connection;
  const rivals = {
    medic,
    bare: await startRival('bare'),
    transaction: await startRival('transaction', {
      BENCH_DB_HOST: host,
      BENCH_DB_PORT: String(port),
      BENCH_DB_USER: user,
      BENCH_DB_NAME: database,
    }),
  };
  const rounds: Record<keyof typeof rivals, Round[]> = { medic: [], bare: [], transaction: [] };
  const names = Object.keys(rivals) as (keyof typeof rivals)[];
  for (const name of names) {
    await closedLoop({
      port: rivals[name].port,
      connections: CONNECTIONS,
      seconds: WARM_UP_SECONDS,
      requests,
    });
  }
  for (let round = 0; round < options.rounds; round += 1) {
    for (const name of names) {
      rounds[name].push(await oneRound(rivals[name], medic, requests, options.seconds));
    }
  }
  for (const name of names.reverse()) await rivals[name].stop();
  return outcomeOf(rounds);
}

async function oneRound(
  server: Child,
  medic: MedicChild,
  requests: readonly Buffer[],
  seconds: number,
): Promise<Round> {
  const before = await countOf(medic);
  const processor = () => [[server.pid], medic.postgres(), [process.pid]].map(processorMs);
  const batchesBefore = await batchesOf(medic);
  const usedBefore = processor();
  const machineBefore = machineMs();
  const started = performance.now();
  const result = await closedLoop({ port: server.port, connections: CONNECTIONS, seconds, requests });
  const used = processor().map((total, index) => total - (usedBefore[index] ?? 0));
  const own = used.reduce((total, ms) => total + ms, 0);
  const others = Math.max(0, machineMs() - machineBefore - own) / (performance.now() - started);
  const acknowledged = result.statuses[201] ?? 0;
  const batches = (await batchesOf(medic)) - batchesBefore;
  const after = await countOf(medic);
  const [serverUs = 0, postgresUs = 0, generatorUs = 0] = used.map((ms) => (ms * 1000) / acknowledged);
  const updates = { all: after.updates - before.updates, hot: after.hot - before.hot };
  return {
    ...result,
    acknowledged,
    stored: after.rows - before.rows,
    serverUs,
    postgresUs,
    generatorUs,
    updates,
    batches,
    others,
  };
}

/** How many statements Medic has begun with WITH, nearly all of which record heartbeats. */
async function batchesOf(medic: MedicChild): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${medic.port}/metrics`)).text();
  return Number(/operation_duration_seconds_count\{operation="with"[^}]*\} (\d+)/.exec(page)?.[1] ?? 0);
}

async function countOf(medic: MedicChild): Promise<{ rows: number; updates: number; hot: number }> {
  const { rows } = await onDatabase(medic, (client) =>
    client.query<{ rows: number; updates: number; hot: number }>(`
      select (select count(*)::int from medic.heartbeats) as rows, n_tup_upd::int as updates, n_tup_hot_upd::int as hot
      from pg_stat_user_tables where schemaname = 'medic' and relname = 'service_state'`),
  );
  return rows[0] ?? { rows: 0, updates: 0, hot: 0 };
}

function outcomeOf(rounds: { medic: Round[]; bare: Round[]; transaction: Round[] }): Outcome {
  const { medic, bare, transaction } = rounds;
  const of = (list: readonly Round[], member: (round: Round) => number) => median(list.map(member));
  const rate = (round: Round) => round.perSecond;
  const sum = (list: readonly Round[], member: (round: Round) => number) =>
    list.reduce((total, round) => total + member(round), 0);
  const refused = (list: readonly Round[]) =>
    sum(list, ({ statuses, acknowledged, broken }) => {
      const answers = Object.values(statuses).reduce((total, count) => total + count, 0);
      return answers - acknowledged + broken;
    });
  return {
    figures: [
      { what: 'heartbeats per second', value: of(medic, rate), unit: '/s' },
      { what: 'bare route per second', value: of(bare, rate), unit: '/s' },
      { what: 'transaction per request per second', value: of(transaction, rate), unit: '/s' },
      {
        what: 'share of the bare route',
        value: (of(medic, rate) / of(bare, rate)) * 100,
        unit: '%',
        target: { least: 50 },
      },
      {
        what: 'times the transaction per request',
        value: of(medic, rate) / of(transaction, rate),
        unit: '×',
        target: { least: 5 },
      },
      { what: 'latency p50', value: of(medic, ({ p50 }) => p50), unit: 'ms' },
      { what: 'latency p99', value: of(medic, ({ p99 }) => p99), unit: 'ms', target: { most: 15 } },
      { what: 'latency p99 of the bare route', value: of(bare, ({ p99 }) => p99), unit: 'ms' },
      {
        what: 'latency p99 of the transaction per request',
        value: of(transaction, ({ p99 }) => p99),
        unit: 'ms',
      },
      { what: 'acknowledged', value: sum(medic, ({ acknowledged }) => acknowledged), unit: '' },
      {
        what: 'acknowledged but not stored, or stored twice',
        value: sum(medic, ({ acknowledged, stored }) => Math.abs(acknowledged - stored)),
        unit: '',
        target: { most: 0 },
      },
      { what: 'other answers, broken connections', value: refused(medic), unit: '', target: { most: 0 } },
      {
        what: 'heartbeats per transaction',
        value: sum(medic, ({ acknowledged }) => acknowledged) / sum(medic, ({ batches }) => batches),
        unit: '',
      },
      {
        what: 'HOT share of the state updates',
        value: (sum(medic, ({ updates }) => updates.hot) / sum(medic, ({ updates }) => updates.all)) * 100,
        unit: '%',
      },
      {
        what: 'processor time of Medic per heartbeat',
        value: of(medic, ({ serverUs }) => serverUs),
        unit: 'µs',
      },
      {
        what: 'processor time of PostgreSQL per heartbeat',
        value: of(medic, ({ postgresUs }) => postgresUs),
        unit: 'µs',
      },
      {
        what: 'processor time of the generator per heartbeat',
        value: of(medic, ({ generatorUs }) => generatorUs),
        unit: 'µs',
      },
      {
        what: 'processor time of the bare route per request',
        value: of(bare, ({ serverUs }) => serverUs),
        unit: 'µs',
      },
      {
        what: 'processors kept busy by other programs',
        value: of([...medic, ...bare, ...transaction], ({ others }) => others),
        unit: '',
      },
    ],
    runs: rounds,
  };
}
