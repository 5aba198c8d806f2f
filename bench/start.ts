import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startMedic } from './lib/children.ts';
import { temporaryFolder } from './lib/cleanup.ts';
import type { Outcome } from './lib/figures.ts';
import { proportionalMb, residentMb } from './lib/processes.ts';
import { post, registerService } from './lib/services.ts';
import { median } from './lib/statistics.ts';

const RUNS = 5;
const IDLE_SECONDS = 10;

interface Run {
  seconds: number;
  nodeMb: number;
  postgresMb: number;
}

/** From nothing to the first accepted heartbeat, and what an idle Medic occupies. */
export async function start(): Promise<Outcome> {
  const cold: Run[] = [];
  const warm: Run[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const dataDir = path.join(await temporaryFolder(), 'data');
    cold.push(await oneRun(dataDir, 'bench-cold', 0));
    warm.push(await oneRun(dataDir, 'bench-warm', IDLE_SECONDS));
  }
  const seconds = (runs: readonly Run[]) => median(runs.map((run) => run.seconds));
  return {
    figures: [
      { what: 'cold start to the first heartbeat', value: seconds(cold), unit: 's', target: { most: 5 } },
      { what: 'warm start to the first heartbeat', value: seconds(warm), unit: 's', target: { most: 2 } },
      {
        what: `memory of Node, ${IDLE_SECONDS} s idle (RSS)`,
        value: median(warm.map(({ nodeMb }) => nodeMb)),
        unit: 'MB',
        target: { most: 150 },
      },
      {
        what: `memory of PostgreSQL, ${IDLE_SECONDS} s idle (sum of PSS)`,
        value: median(warm.map(({ postgresMb }) => postgresMb)),
        unit: 'MB',
        target: { most: 80 },
      },
    ],
    runs: { cold, warm },
  };
}

/** The time includes registering a service, as a new installation has to. */
async function oneRun(dataDir: string, name: string, idleSeconds: number): Promise<Run> {
  const spawned = performance.now();
  const medic = await startMedic(dataDir);
  await registerService(medic.port, name);
  const answer = await post(medic.port, '/v1/heartbeat', { heartbeat_name: name, status: 'UP' });
  const seconds = (performance.now() - spawned) / 1000;
  if (answer !== 201) throw new Error(`the first heartbeat was answered by ${answer}`);
  await sleep(idleSeconds * 1000);
  const run = { seconds, nodeMb: residentMb(medic.pid), postgresMb: proportionalMb(medic.postgres()) };
  await medic.stop();
  return run;
}
