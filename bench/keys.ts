import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newKey } from '../src/features/access/key.ts';
import { type MedicChild, startMedic } from './lib/children.ts';
import { temporaryFolder } from './lib/cleanup.ts';
import { Connection, whoRequest } from './lib/connection.ts';
import type { Outcome } from './lib/figures.ts';
import { storeKeys } from './lib/keys.ts';
import type { Options } from './lib/options.ts';
import { Latencies, median } from './lib/statistics.ts';

/** Requests of each kind whose time is compared. */
const COMPARED = 400;
const ATTACKS = 10_000;
const ATTACKERS = 32;
/** Requests with a valid key come this far apart. */
const PROBE_EVERY_MS = 5;
const IDLE_SECONDS = 8;
const UNREACHED = '1000000000';

/** Whether the time of an answer tells anything about a key, and whether guessing slows down those who know theirs. */
export async function keys(options: Options): Promise<Outcome> {
  const times = await compareKinds();
  const rounds: Awaited<ReturnType<typeof attack>>[] = [];
  for (let round = 0; round < options.rounds; round += 1) rounds.push(await attack());
  const of = (member: (round: (typeof rounds)[number]) => number) => median(rounds.map(member));
  const wrong = median(times.wrong);
  return {
    runs: { times, rounds },
    figures: [
      { what: 'a wrong key with a known prefix, median', value: wrong, unit: 'ms' },
      ...(['unknown', 'malformed', 'right'] as const).map((kind) => ({
        what: `${kind} key, against it`,
        value: (median(times[kind]) / wrong) * 100,
        unit: '%',
        ...(kind === 'right' ? {} : { target: { least: 90 } }),
      })),
      { what: 'valid key, p99 without an attack', value: of(({ idle }) => idle), unit: 'ms' },
      ...(['one address', 'many addresses'] as const).flatMap((from, index) => [
        {
          what: `p99 during 10,000 wrong keys from ${from}`,
          value: of((r) => r.attacked[index] ?? 0),
          unit: 'ms',
        },
        {
          what: `times the p99 without, ${from}`,
          value: of((r) => (r.attacked[index] ?? 0) / r.idle),
          unit: '×',
          target: { most: 3 },
        },
      ]),
    ],
  };
}

/** Latency of requests one after the other whose keys are not remembered, in mixed order, in milliseconds. */
async function compareKinds() {
  const medic = await guarded({ RATE_LIMIT_AUTH_FAILURE_REQUESTS: UNREACHED });
  const stored = Array.from({ length: COMPARED }, newKey);
  await storeKeys(medic, stored);
  const kinds = {
    unknown: newKey,
    malformed: () => `mdk_${newKey().slice(4, 20)}`,
    wrong: (n: number) => `${stored[n % COMPARED]?.slice(0, 12)}${newKey().slice(12)}`,
    right: (n: number) => stored[n % COMPARED] ?? '',
  };
  const times: Record<keyof typeof kinds, number[]> = { unknown: [], malformed: [], wrong: [], right: [] };
  let answered = () => {};
  const connection = await Connection.open(
    medic.port,
    () => answered(),
    () => {},
  );
  for (let n = -20; n < COMPARED; n += 1) {
    for (const kind of Object.keys(kinds).toSorted(() => Math.random() - 0.5) as (keyof typeof kinds)[]) {
      // Those of the warm-up are never right, so that each right key is new when it counts.
      const key = n < 0 ? newKey() : kinds[kind](n);
      const started = performance.now();
      const done = new Promise<void>((resolve) => {
        answered = resolve;
      });
      connection.send(whoRequest(key));
      await done;
      if (n >= 0) times[kind].push(performance.now() - started);
    }
  }
  connection.close();
  await medic.stop();
  return times;
}

/** p99 of a valid key, alone and while others guess: as fast as they are answered, from one address or from hundreds. */
async function attack() {
  const medic = await guarded();
  const valid = newKey();
  await storeKeys(medic, [valid]);
  const during = async (work: Promise<unknown>): Promise<number> => {
    const latencies = new Latencies();
    let running = true;
    const probes = probe(medic.port, valid, latencies, () => running);
    await work;
    running = false;
    await probes;
    return latencies.quantile(0.99);
  };
  await during(sleep(1000));
  const idle = await during(sleep(IDLE_SECONDS * 1000));
  const one = await during(guess(medic.port, () => undefined));
  const many = await during(guess(medic.port, (n) => `127.${1 + (n >> 8)}.${n & 255}.1`));
  await medic.stop();
  return { idle, attacked: [one, many] };
}

/** One request every few milliseconds, whether or not earlier ones are answered. */
async function probe(port: number, key: string, latencies: Latencies, goesOn: () => boolean): Promise<void> {
  const free: Connection[] = [];
  let waiting = 0;
  const answered = (_status: number, connection: Connection) => {
    latencies.add(performance.now() - connection.since);
    waiting -= 1;
    free.push(connection);
  };
  const all: Connection[] = [];
  let due = performance.now();
  while (goesOn()) {
    due += PROBE_EVERY_MS;
    await sleep(Math.max(0, due - performance.now()));
    const connection = free.pop() ?? (await Connection.open(port, answered, () => {}));
    if (!all.includes(connection)) all.push(connection);
    // Timers may be early, too.
    connection.since = Math.min(due, performance.now());
    waiting += 1;
    connection.send(whoRequest(key));
  }
  for (let patience = 500; waiting > 0 && patience > 0; patience -= 1) await sleep(10);
  for (const connection of all) connection.close();
}

/** Wrong keys over a number of connections; an address serves for twenty of them. */
async function guess(port: number, addressOf: (n: number) => string | undefined): Promise<void> {
  let left = ATTACKS;
  let addresses = 0;
  await Promise.all(
    Array.from({ length: ATTACKERS }, async () => {
      while (left > 0) {
        const own = Math.min(left, addressOf(0) === undefined ? left : 20);
        left -= own;
        addresses += 1;
        await guessFrom(port, addressOf(addresses), own);
      }
    }),
  );
}

async function guessFrom(port: number, address: string | undefined, count: number): Promise<void> {
  let answered = () => {};
  const connection = await Connection.open(
    port,
    () => answered(),
    () => answered(),
    address,
  );
  for (let n = 0; n < count; n += 1) {
    const done = new Promise<void>((resolve) => {
      answered = resolve;
    });
    connection.send(whoRequest(newKey()));
    await done;
  }
  connection.close();
}

async function guarded(environment: Record<string, string> = {}): Promise<MedicChild> {
  const folder = path.join(await temporaryFolder(), 'data');
  return startMedic(folder, {
    MEDIC_AUTH_MODE: 'required',
    MEDIC_RATE_LIMITER_TYPE: 'memory',
    ...environment,
  });
}
