import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from './connection.ts';
import { Latencies } from './statistics.ts';

export interface Load {
  port: number;
  connections: number;
  seconds: number;
  /** Sent in turn. */
  requests: readonly Buffer[];
}

export interface LoadResult {
  /** Answers of each second within the time. */
  perSecond: number;
  /** Answers by status, those after the end of the time included. */
  statuses: Record<number, number>;
  broken: number;
  p50: number;
  p99: number;
  max: number;
}

/** Each connection sends its next request as soon as the one before is answered. */
export async function closedLoop({ port, connections, seconds, requests }: Load): Promise<LoadResult> {
  const latencies = new Latencies();
  const statuses: Record<number, number> = {};
  let next = 0;
  let running = true;
  let waiting = 0;
  let broken = 0;
  const send = (connection: Connection) => {
    connection.since = performance.now();
    waiting += 1;
    connection.send(requests[next] as Buffer);
    next = next + 1 === requests.length ? 0 : next + 1;
  };
  const answered = (status: number, connection: Connection) => {
    statuses[status] = (statuses[status] ?? 0) + 1;
    waiting -= 1;
    if (!running) return;
    latencies.add(performance.now() - connection.since);
    send(connection);
  };
  const lost = () => {
    broken += 1;
  };
  const all = await Promise.all(
    Array.from({ length: connections }, () => Connection.open(port, answered, lost)),
  );
  const started = performance.now();
  for (const connection of all) send(connection);
  await sleep(seconds * 1000);
  running = false;
  const elapsed = (performance.now() - started) / 1000;
  for (let patience = 500; waiting > broken && patience > 0; patience -= 1) await sleep(10);
  for (const connection of all) connection.close();
  return {
    perSecond: latencies.count / elapsed,
    statuses,
    broken,
    p50: latencies.quantile(0.5),
    p99: latencies.quantile(0.99),
    max: latencies.max,
  };
}
