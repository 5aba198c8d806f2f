import path from 'node:path';
import { newKey } from '../src/features/access/key.ts';
import { type MedicChild, startMedic } from './lib/children.ts';
import { temporaryFolder } from './lib/cleanup.ts';
import { closedLoop, type LoadResult } from './lib/closed-loop.ts';
import type { Outcome } from './lib/figures.ts';
import { storeKeys } from './lib/keys.ts';
import type { Options } from './lib/options.ts';
import { processorMs } from './lib/processes.ts';
import { startRedis } from './lib/redis.ts';
import { registerServices } from './lib/services.ts';
import { median } from './lib/statistics.ts';

const CONNECTIONS = 64;
const SERVICES = 500;
const KEYS = 50;
const WARM_UP_SECONDS = 3;

interface Contender {
  medic: MedicChild;
  requests: Buffer[];
}

interface Round extends LoadResult {
  serverUs: number;
  redisUs: number;
}

/** What keys and limits cost: heartbeats per second with them, counted in memory and in Redis, and without both. */
export async function limits(options: Options): Promise<Outcome> {
  const keys = Array.from({ length: KEYS }, newKey);
  const redis = await startRedis();
  const open = { MEDIC_AUTH_MODE: 'off' };
  const guarded = { MEDIC_AUTH_MODE: 'required', MEDIC_RATE_LIMITER_TYPE: 'memory' };
  const contenders: Record<string, Contender> = {
    without: await contender(open, [], 'without-limits'),
    memory: await contender(guarded, keys),
    redis: await contender({ ...guarded, MEDIC_RATE_LIMITER_TYPE: 'redis', REDIS_URL: redis.url }, keys),
  };
  const names = Object.keys(contenders);
  const rounds: Record<string, Round[]> = Object.fromEntries(names.map((name) => [name, []]));
  const load = ({ medic, requests }: Contender, seconds: number) =>
    closedLoop({ port: medic.port, connections: CONNECTIONS, seconds, requests });
  for (const one of Object.values(contenders)) await load(one, WARM_UP_SECONDS);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [name, one] of Object.entries(contenders)) {
      const processor = () => [one.medic.pid, redis.pid].map((pid) => processorMs([pid]));
      const before = processor();
      const result = await load(one, options.seconds);
      const [serverUs = 0, redisUs = 0] = processor().map(
        (ms, index) => ((ms - (before[index] ?? 0)) * 1000) / (result.statuses[201] ?? 0),
      );
      rounds[name]?.push({ ...result, serverUs, redisUs });
    }
  }
  for (const { medic } of Object.values(contenders)) await medic.stop();
  return outcomeOf(rounds);
}

/** A Medic with its services, and heartbeats that use the keys in turn. */
async function contender(
  environment: Record<string, string>,
  keys: readonly string[],
  program?: string,
): Promise<Contender> {
  const folder = path.join(await temporaryFolder(), 'data');
  const medic = await startMedic(folder, environment, program);
  await storeKeys(medic, keys);
  return { medic, requests: await registerServices(medic.port, SERVICES, keys) };
}

function outcomeOf(rounds: Record<string, Round[]>): Outcome {
  const of = (name: string, member: (round: Round) => number) => median((rounds[name] ?? []).map(member));
  const rate = (name: string) => of(name, ({ perSecond }) => perSecond);
  const share = (name: string) => (rate(name) / rate('without')) * 100;
  const others = Object.values(rounds)
    .flat()
    .reduce((sum, { statuses, broken }) => {
      const answers = Object.values(statuses).reduce((total, count) => total + count, 0);
      return sum + answers - (statuses[201] ?? 0) + broken;
    }, 0);
  return {
    runs: rounds,
    figures: [
      { what: 'heartbeats per second, without', value: rate('without'), unit: '/s' },
      { what: 'with keys and limits in memory', value: rate('memory'), unit: '/s' },
      { what: 'with keys and limits in Redis', value: rate('redis'), unit: '/s' },
      { what: 'share in memory', value: share('memory'), unit: '%', target: { least: 85 } },
      { what: 'share in Redis', value: share('redis'), unit: '%', target: { least: 70 } },
      ...Object.keys(rounds).flatMap((name) => [
        { what: `latency p99, ${name}`, value: of(name, ({ p99 }) => p99), unit: 'ms' },
        { what: `processor time of Medic, ${name}`, value: of(name, (round) => round.serverUs), unit: 'µs' },
      ]),
      { what: 'processor time of Redis', value: of('redis', ({ redisUs }) => redisUs), unit: 'µs' },
      { what: 'other answers, broken connections', value: others, unit: '', target: { most: 0 } },
    ],
  };
}
