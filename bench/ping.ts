import path from 'node:path';
import { startMedic } from './lib/children.ts';
import { temporaryFolder } from './lib/cleanup.ts';
import { closedLoop } from './lib/closed-loop.ts';
import type { Outcome } from './lib/figures.ts';
import type { Options } from './lib/options.ts';
import { registerServices } from './lib/services.ts';
import { median } from './lib/statistics.ts';

const CONNECTIONS = 64;
const SERVICES = 500;
const WARM_UP_SECONDS = 3;

/** Pings for each second beside heartbeats for each second, on the same server in turns. */
export async function ping(options: Options): Promise<Outcome> {
  const medic = await startMedic(path.join(await temporaryFolder(), 'data'));
  const ways = { heartbeat: await registerServices(medic.port, SERVICES), ping: await pingsOf(medic.port) };
  const names = Object.keys(ways) as (keyof typeof ways)[];
  const load = (name: keyof typeof ways, seconds: number) =>
    closedLoop({ port: medic.port, connections: CONNECTIONS, seconds, requests: ways[name] });
  for (const name of names) await load(name, WARM_UP_SECONDS);
  const rates: Record<keyof typeof ways, number[]> = { heartbeat: [], ping: [] };
  let unanswered = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    for (const name of names) {
      const { perSecond, statuses, broken } = await load(name, options.seconds);
      rates[name].push(perSecond);
      const good = name === 'ping' ? statuses[200] : statuses[201];
      const all = Object.values(statuses).reduce((total, count) => total + count, 0);
      unanswered += all - (good ?? 0) + broken;
    }
  }
  await medic.stop();
  return {
    runs: rates,
    figures: [
      { what: 'heartbeats per second', value: median(rates.heartbeat), unit: '/s' },
      { what: 'pings per second', value: median(rates.ping), unit: '/s' },
      {
        what: 'pings as a share of heartbeats',
        value: (median(rates.ping) / median(rates.heartbeat)) * 100,
        unit: '%',
        target: { least: 90 },
      },
      { what: 'other answers, broken connections', value: unanswered, unit: '', target: { most: 0 } },
    ],
  };
}

/** A request for the ping URL of each service. */
async function pingsOf(port: number): Promise<Buffer[]> {
  const requests: Buffer[] = [];
  for (let offset = 0; offset < SERVICES; offset += 250) {
    const answer = await fetch(`http://127.0.0.1:${port}/v2/services?limit=250&offset=${offset}`);
    const { results } = (await answer.json()) as { results: { entries: { ping_key: string }[] } };
    for (const { ping_key: key } of results.entries) {
      requests.push(Buffer.from(`GET /ping/${key} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`));
    }
  }
  return requests;
}
