import { afterEach, beforeEach, expect, test } from 'vitest';
import { createApi } from '../src/api.ts';
import { type DatabasePool, sql } from '../src/platform/db.ts';
import { Worker } from '../src/worker.ts';
import { AUTHORIZATION } from './harness/admin.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { eventually } from './harness/process.ts';

/** What one process has of its own: connections, workers, an HTTP server. */
interface Node {
  url: string;
  worker: Worker;
  close(): Promise<void>;
}

let medic: TestMedic;
let nodes: Node[];

async function addNode(): Promise<Node> {
  const db: DatabasePool = medic.connect(6);
  const parts = medic.another(db);
  const server = await createApi(parts, { migrated: true, stopping: false, workerAlive: () => true });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const worker = new Worker(parts);
  const close = async () => {
    await worker.stop(2_000);
    await server.close();
    await db.end();
  };
  return { url, worker, close };
}

beforeEach(async () => {
  medic = await startTestMedic();
  // The job queue knows the real time only, and the real workers run here: for them, everything is due.
  medic.clock.advance(Date.now() - DAY_MS - medic.clock.now().getTime());
  nodes = [await addNode(), await addNode()];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await medic.close();
});

const DAY_MS = 86_400_000;
const INTERVAL_SECONDS = 3600;
const DEADLINE_MS = INTERVAL_SECONDS * 1000 + 101;

async function pass(milliseconds: number): Promise<void> {
  medic.clock.advance(milliseconds);
  await medic.receiving();
}

async function register(name: string): Promise<number> {
  const fields = { heartbeat_name: name, service_name: name, alert_interval_seconds: INTERVAL_SECONDS };
  const { status, body } = await medic.call('POST', '/v2/services', fields);
  expect(status, JSON.stringify(body)).toBe(201);
  return body.results.service_id;
}

async function beat(node: Node | undefined, name: string): Promise<void> {
  const response = await fetch(`${node?.url}/heartbeat`, {
    method: 'POST',
    headers: { authorization: AUTHORIZATION },
    body: JSON.stringify({ heartbeat_name: name, status: 'UP' }),
  });
  expect(response.status).toBe(201);
}

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
const pagesOf = (action: string) =>
  medic.pagerDuty.events
    .filter((event) => event.event_action === action)
    .map((event) => event.dedup_key.replace('medic-', ''))
    .sort();
const alarms = () => medic.lines.filter(({ level }) => level === 'ERROR' || level === 'WARNING');

test('two workers and two API servers: 200 services fail at once and recover at once, each announced once', async () => {
  const silent = named('silent', 200).sort();
  const lively = named('lively', 50);
  for (const name of [...silent, ...lively]) await register(name);
  await pass(DEADLINE_MS - 10_000);
  await Promise.all(lively.map((name, n) => beat(nodes[n % 2], name)));
  for (const { worker } of nodes) worker.start();

  await pass(10_000);
  const beating = lively.map(async (name, n) => {
    for (let i = 0; i < 10; i += 1) await beat(nodes[(n + i) % 2], name);
  });
  await eventually('200 pages', 20_000, () => pagesOf('trigger').length >= 200);
  await Promise.all(beating);
  await eventually('200 messages', 20_000, () => medic.slack.messages.length >= 200);
  const { rows } = await medic.db.query<{ alerts: number; services: number }>(sql`
    select count(*)::int as alerts, count(distinct service_id)::int as services
    from medic.alerts where state <> 'closed' and cycle = 1`);
  expect(rows).toEqual([{ alerts: 200, services: 200 }]);

  // Twice at the same time, once on each server: one of them recovers the service.
  await Promise.all(silent.flatMap((name) => nodes.map((node) => beat(node, name))));
  await eventually('200 resolves', 20_000, () => pagesOf('resolve').length >= 200);
  await eventually('200 recoveries', 20_000, () => medic.slack.messages.length >= 400);
  await eventually('an empty queue', 5_000, async () => {
    const { rowCount } = await medic.db.query(sql`select from graphile_worker.jobs`);
    return rowCount === 0;
  });
  expect(pagesOf('trigger')).toEqual(silent);
  expect(pagesOf('resolve')).toEqual(silent);
  expect(medic.slack.messages).toHaveLength(400);
  const unfinished = await medic.db.query(sql`select from medic.notifications where status <> 'success'`);
  expect(unfinished.rowCount).toBe(0);
  const states = await medic.db.query(sql`
    select count(*)::int as alerts, count(*) filter (where state = 'closed')::int as closed from medic.alerts`);
  expect(states.rows).toEqual([{ alerts: 200, closed: 200 }]);
  expect(alarms()).toEqual([]);
});

for (const table of ['alerts', 'service_state'] as const) {
  test(`one service whose ${table} row the database refuses holds up no other and is not retried hot`, async () => {
    const before = await register('poison');
    await Promise.all(named('fine', 20).map(register));
    await medic.db.query({
      text: `create function refuse() returns trigger language plpgsql as $$
        begin if new.service_id = ${before} then raise exception 'refused'; end if; return new; end $$`,
    });
    await medic.db.query({
      text: `create trigger refuse before insert or update on medic.${table} for each row execute function refuse()`,
    });
    // The poison is due first.
    await pass(DEADLINE_MS + 1_000);
    for (const { worker } of nodes) worker.start();
    await eventually('20 pages', 10_000, () => pagesOf('trigger').length >= 20);
    await register('later');
    await pass(DEADLINE_MS);
    await eventually('the page of another', 10_000, () => pagesOf('trigger').includes('later'));
    expect(pagesOf('trigger')).not.toContain('poison');

    const complaints = medic.lines.filter((line) => line.service_id === before && line.level === 'ERROR');
    expect(complaints.length).toBeGreaterThanOrEqual(1);
    expect(complaints.length).toBeLessThan(40);

    await medic.db.query({ text: `drop trigger refuse on medic.${table}` });
    await pass(61_000);
    await eventually('the page of the healed one', 10_000, () => pagesOf('trigger').includes('poison'));
  });
}

test('one heartbeat that the database refuses fails alone', async () => {
  const poison = await register('poison');
  const fine = named('fine', 30);
  await Promise.all(fine.map(register));
  await medic.db.query({
    text: `create function refuse() returns trigger language plpgsql as $$
      begin if new.service_id = ${poison} then raise exception 'refused'; end if; return new; end $$`,
  });
  await medic.db.query({
    text: 'create trigger refuse before insert on medic.heartbeats for each row execute function refuse()',
  });
  const answers = await Promise.all(
    ['poison', ...fine, 'poison'].map(
      async (name) => (await medic.call('POST', '/heartbeat', { heartbeat_name: name, status: 'UP' })).status,
    ),
  );
  expect(answers).toEqual([500, ...fine.map(() => 201), 500]);
});

test('a heartbeat that is refused for a moment is stored', async () => {
  await register('unlucky');
  await medic.db.query({ text: 'create sequence refusals' });
  await medic.db.query({
    text: `create function refuse() returns trigger language plpgsql as $$
      begin if nextval('refusals') = 1 then raise check_violation; end if; return new; end $$`,
  });
  await medic.db.query({
    text: 'create trigger refuse before insert on medic.heartbeats for each row execute function refuse()',
  });
  await beat(nodes[0], 'unlucky');
  expect((await medic.call('GET', '/heartbeat?heartbeat_name=unlucky')).body.results).toHaveLength(1);
});
