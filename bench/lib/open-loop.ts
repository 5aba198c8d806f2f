import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from './connection.ts';
import { Latencies } from './statistics.ts';

export interface Schedule {
  /** Length in seconds. */
  seconds: number;
  /** Requests for each second at that moment, and which of `kinds` they count as. */
  at(second: number): { rate: number; kind: number };
  kinds: number;
}

export interface OpenLoad {
  port: number;
  connections: number;
  requests: readonly Buffer[];
  schedule: Schedule;
}

export interface OpenResult {
  sent: number;
  statuses: Record<number, number>;
  broken: number;
  unanswered: number;
  /** By kind; measured from the moment at which the request was due, not from when a connection was free for it. */
  latencies: Latencies[];
  /** Requests that were due and without an answer, at most. */
  backlog: number;
}

const TICK_MS = 1;
const PATIENCE_MS = 30_000;

/** Sends what is due whether or not earlier requests are answered, like many senders that know nothing of each other. */
export async function openLoop({ port, connections, requests, schedule }: OpenLoad): Promise<OpenResult> {
  const latencies = Array.from({ length: schedule.kinds }, () => new Latencies());
  const statuses: Record<number, number> = {};
  const due: { at: number; kind: number }[] = [];
  const free: Connection[] = [];
  let first = 0;
  let sent = 0;
  let inFlight = 0;
  let broken = 0;
  const send = (connection: Connection) => {
    const request = due[first];
    if (request === undefined) {
      free.push(connection);
      return;
    }
    first += 1;
    connection.since = request.at;
    connection.kind = request.kind;
    inFlight += 1;
    connection.send(requests[sent % requests.length] as Buffer);
    sent += 1;
  };
  const answered = (status: number, connection: Connection) => {
    statuses[status] = (statuses[status] ?? 0) + 1;
    latencies[connection.kind]?.add(performance.now() - connection.since);
    inFlight -= 1;
    send(connection);
  };
  const lost = () => {
    broken += 1;
  };
  const all = await Promise.all(
    Array.from({ length: connections }, () => Connection.open(port, answered, lost)),
  );
  free.push(...all);

  const started = performance.now();
  const end = started + schedule.seconds * 1000;
  let backlog = 0;
  let credit = 0;
  for (let now = started, until = started; now < end; ) {
    await sleep(TICK_MS);
    until = Math.min(performance.now(), end);
    // In steps, since one late tick may reach over the edge of a burst.
    for (; now < until; now += TICK_MS) {
      const { rate, kind } = schedule.at((now - started) / 1000);
      credit += (rate * Math.min(TICK_MS, until - now)) / 1000;
      for (; credit >= 1; credit -= 1) due.push({ at: now, kind });
    }
    now = until;
    while (free.length > 0 && first < due.length) send(free.pop() as Connection);
    backlog = Math.max(backlog, due.length - first + inFlight);
  }
  const giveUp = performance.now() + PATIENCE_MS;
  while ((first < due.length || inFlight > broken) && performance.now() < giveUp) await sleep(5);
  for (const connection of all) connection.close();
  return { sent, statuses, broken, unanswered: due.length - first + inFlight, latencies, backlog };
}
