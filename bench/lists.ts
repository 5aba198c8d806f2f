import { Agent, get } from 'node:http';
import path from 'node:path';
import { startMedic } from './lib/children.ts';
import { temporaryFolder } from './lib/cleanup.ts';
import { onDatabase } from './lib/database.ts';
import type { Figure, Outcome } from './lib/figures.ts';
import { FILLED, fillLists } from './lib/lists-bed.ts';
import { LISTS } from './lib/lists-requests.ts';
import type { Options } from './lib/options.ts';
import { machineMs, processorMs } from './lib/processes.ts';
import { quantile } from './lib/statistics.ts';

const TARGET_MS = 50;
const WARM_UP_ROUNDS = 1;
/** Times that each page is asked for in a round. */
const REPEATED = 5;

interface PageTimes {
  path: string;
  times: number[];
}

/** How long any page of any list takes, whatever is filtered and sorted by, on a database with much history. */
export async function lists({ rounds }: Options): Promise<Outcome> {
  const medic = await startMedic(path.join(await temporaryFolder(), 'data'));
  await onDatabase(medic, fillLists);
  const ask = asker(medic.port);
  const asked: { list: string; whole: boolean; pages: PageTimes[] }[] = [];
  for (const { list, requests, whole = false } of LISTS) {
    const pages = (await Promise.all(requests.map((request) => pagesOf(ask, request, whole)))).flat();
    asked.push({ list, whole, pages: pages.map((page) => ({ path: page, times: [] })) });
  }
  const own = () => processorMs([medic.pid, ...medic.postgres(), process.pid]);
  const begun = { at: performance.now(), machine: machineMs(), own: own() };
  for (let round = 0; round < WARM_UP_ROUNDS + rounds * REPEATED; round += 1) {
    for (const { pages } of asked) {
      for (const page of pages) {
        const started = performance.now();
        await ask(page.path);
        if (round >= WARM_UP_ROUNDS) page.times.push(performance.now() - started);
      }
    }
  }
  const others = (machineMs() - begun.machine - (own() - begun.own)) / (performance.now() - begun.at);
  await medic.stop();
  return {
    figures: [
      { what: 'services', value: FILLED.services, unit: '' },
      { what: 'events', value: FILLED.events, unit: '' },
      ...asked.flatMap(({ list, whole, pages }) => figuresOf(list, whole, pages)),
      { what: 'processors kept busy by other programs', value: Math.max(0, others), unit: '' },
    ],
    runs: asked.map(({ list, pages }) => ({ list, pages: pages.map(summary).sort((a, b) => b.p99 - a.p99) })),
  };
}

/** Lists that are answered whole have no pages, and no target. */
function figuresOf(list: string, whole: boolean, pages: readonly PageTimes[]): Figure[] {
  const times = pages.flatMap((page) => page.times);
  const most = Math.max(...pages.map((page) => summary(page).p50));
  return [
    { what: `${list}: p50 of ${pages.length} pages`, value: quantile(times, 0.5), unit: 'ms' },
    { what: '  p50 of the slowest page', value: most, unit: 'ms' },
    {
      what: '  p99',
      value: quantile(times, 0.99),
      unit: 'ms',
      ...(whole ? {} : { target: { most: TARGET_MS } }),
    },
    { what: '  max', value: Math.max(...times), unit: 'ms' },
  ];
}

function summary({ path, times }: PageTimes) {
  return { path, p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: Math.max(...times) };
}

type Ask = (path: string) => Promise<string>;

/** One request at a time on a connection that stays. */
function asker(port: number): Ask {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return (path) =>
    new Promise((resolve, reject) => {
      get({ port, host: '127.0.0.1', path, agent }, (response) => {
        let body = '';
        response
          .setEncoding('utf8')
          .on('data', (part: string) => {
            body += part;
          })
          .on('end', () => {
            if (response.statusCode === 200) resolve(body);
            else reject(new Error(`${path} was answered by ${response.statusCode}: ${body.slice(0, 200)}`));
          });
      }).on('error', reject);
    });
}

/** The first, the middle and the last page of what a request finds, and the first of the greatest pages. */
async function pagesOf(ask: Ask, request: string, whole: boolean): Promise<string[]> {
  const { results } = JSON.parse(await ask(request)) as { results: { total_count?: number; limit?: number } };
  const { total_count: total, limit = 0 } = results;
  if (whole || total === undefined) return [request];
  const at = (query: string) => `${request}${request.includes('?') ? '&' : '?'}${query}`;
  const offsets = new Set([0, Math.floor(total / 2), Math.max(0, total - limit)]);
  return [...[...offsets].map((offset) => at(`offset=${offset}`)), at('limit=250')];
}
