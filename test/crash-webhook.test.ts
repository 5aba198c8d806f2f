import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Parts } from '../src/app.ts';
import { type DatabasePool, sql } from '../src/platform/db.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';
import { type Death, type MortalDatabase, mortal } from './harness/mortal-database.ts';
import { runJobsOf, takeOver } from './harness/mortal-process.ts';
import { Receiver } from './harness/receivers.ts';
import { tell } from './harness/tell.ts';

vi.setConfig({ testTimeout: 180_000 });

let medic: TestMedic;
let hook: Receiver;
let doomed: { parts: Parts; db: DatabasePool; life: MortalDatabase };
let lives = 0;

beforeEach(async () => {
  // The job library writes there when a connection is cut.
  vi.spyOn(console, 'trace').mockImplementation(() => {});
  vi.spyOn(console, 'error').mockImplementation(() => {});
  medic = await startTestMedic({ MEDIC_ALLOWED_WEBHOOK_CIDRS: '127.0.0.0/8' });
  hook = new Receiver(() => ({ status: 204, body: '' }));
  await hook.listen();
  const db = medic.connect();
  doomed = { parts: medic.another(db), db, life: mortal(db) };
  const fields = { heartbeat_name: 'backup', service_name: 'Backup', alert_interval_seconds: 604_800 };
  await medic.call('POST', '/v2/services', fields);
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'backup', status: 'DOWN' });
  await medic.settle();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await doomed.db.end();
  await hook.close();
  await medic.close();
});

/**
 * A webhook that fails once and takes the second attempt, with a reminder waiting behind it.
 * @returns whether the process died.
 */
async function live(death: Death): Promise<boolean> {
  lives += 1;
  const id = lives;
  const of = () => hook.received.filter(({ path }) => path === `/${id}`);
  const idOf = ({ headers }: { headers: object }) =>
    (headers as Record<string, string>)['x-medic-delivery'] ?? '';
  hook.answer = () => ({ status: of().length === 1 ? 500 : 204, body: '' });
  const to = { channel: 'webhook', address: { url: `${hook.url}/${id}`, secret: 's' }, webhookId: id };
  await tell(medic, [to]);
  await tell(medic, [to], { event: 'reminder' });
  doomed.life.die(death);
  for (const wait of [0, 1_100, 0]) {
    medic.clock.advance(wait);
    if (!doomed.life.dead) await runJobsOf(medic, doomed.parts, doomed.life);
  }
  const died = doomed.life.dead;
  if (died) await takeOver(medic);
  doomed.life.die(undefined);

  const { rows } = await medic.db.query<{ delivery_id: string; status: string; attempts: number }>(sql`
    select delivery_id, status, attempts from medic.notifications where webhook_id = ${id} order by sequence`);
  const jobs = await medic.db.query(sql`select * from graphile_worker._private_jobs`);
  const first = of().filter((request) => idOf(request) === rows[0]?.delivery_id);
  const second = of().filter((request) => idOf(request) === rows[1]?.delivery_id);
  const where = `${death.when} statement ${death.statement}`;
  expect(
    rows.map(({ status }) => status),
    where,
  ).toEqual(['success', 'success']);
  expect(jobs.rows, where).toEqual([]);
  // Nothing is lost; of all requests at most one is a repetition, told by its id and attempt and equal to the byte.
  expect(first.length + second.length, where).toBe(of().length);
  expect(second.length, where).toBeGreaterThanOrEqual(1);
  expect(of().length - (rows[0]?.attempts ?? 0) - 1, where).toBeLessThanOrEqual(1);
  expect(of().length - (rows[0]?.attempts ?? 0) - 1, where).toBeGreaterThanOrEqual(0);
  for (const requests of [first, second]) {
    expect(new Set(requests.map(({ body }) => body)).size, where).toBe(1);
    const signatures = requests.map(({ headers }) => headers['x-medic-signature']);
    expect(new Set(signatures).size, where).toBe(1);
  }
  const order = of().map(idOf);
  expect(order.lastIndexOf(rows[0]?.delivery_id ?? ''), where).toBeLessThan(
    order.indexOf(rows[1]?.delivery_id ?? ''),
  );
  return died;
}

for (const when of ['before', 'after'] as const) {
  test(`a process that dies ${when} any statement of delivering a webhook loses nothing and repeats at most one request`, async () => {
    await live({ statement: Number.MAX_SAFE_INTEGER, when });
    let statement = 1;
    while (await live({ statement, when })) {
      statement += 1;
      if (statement > 200) throw new Error('the flow does not end');
    }
    expect(statement).toBeGreaterThan(20);
  });
}
