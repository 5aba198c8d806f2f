import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Database, type DatabasePool, sql } from '../src/platform/db.ts';
import { runRound } from '../src/worker.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;

beforeEach(async () => {
  medic = await startTestMedic();
});
afterEach(() => medic.close());

/** Hands every statement on, and tells how many rows each of them answered. */
function counting(db: DatabasePool, tell: (rows: number) => void): DatabasePool {
  const counted = (its: Database): Database['query'] =>
    async function query(statement) {
      const result = await its.query(statement);
      tell(result.rows.length);
      return result as never;
    };
  return {
    ...db,
    query: counted(db),
    transaction: (work) => db.transaction((tx) => work({ ...tx, query: counted(tx) })),
  };
}

test('an alert that was reminded of thousands of times is reminded of without reading all of that again', async () => {
  await medic.call('POST', '/v2/services', {
    heartbeat_name: 'forgotten',
    service_name: 'Forgotten',
    alert_interval_seconds: 60,
  });
  await medic.advance('61s');
  await medic.db.query(sql`
    insert into medic.notifications (delivery_id, alert_id, alert_event_id, channel, event, destination, address,
      status, attempts, created_at)
    select gen_random_uuid(), alert_id, alert_event_id, channel, 'reminder', destination, address, 'success', 1,
      created_at
    from medic.notifications, generate_series(1, 5000) where channel = 'slack'`);

  let most = 0;
  const db = counting(medic.db, (rows) => {
    most = Math.max(most, rows);
  });
  medic.clock.advance(60_000);
  await medic.receiving();
  await runRound(medic.another(db));
  await medic.settle();
  expect(medic.slack.messages).toHaveLength(2);
  expect(most).toBeLessThan(20);

  await medic.call('POST', '/heartbeat', { heartbeat_name: 'forgotten', status: 'UP' });
  await medic.settle();
  expect(medic.slack.messages).toHaveLength(3);
  expect(medic.pagerDuty.events.map((event) => event.event_action)).toEqual(['trigger', 'resolve']);
});

test('an alert with thousands of changes and messages shows how it began and the newest of them, and counts all', async () => {
  await medic.call('POST', '/v2/services', {
    heartbeat_name: 'forgotten',
    service_name: 'Forgotten',
    alert_interval_seconds: 60,
  });
  await medic.advance('61s');
  await medic.db.query(sql`
    with changes as (
      insert into medic.alert_events (alert_id, event, occurred_at, cycle, facts, decisions)
      select alert_id, 'reminder', occurred_at, n, facts, decisions
      from medic.alert_events, generate_series(2, 5000) as n
      returning alert_event_id, alert_id, occurred_at
    )
    insert into medic.notifications (delivery_id, alert_id, alert_event_id, channel, event, destination, address,
      status, created_at)
    select gen_random_uuid(), alert_id, alert_event_id, 'slack', 'reminder', n::text, '{}', 'success', occurred_at
    from changes, generate_series(1, 2) as n`);
  const { status, body } = await medic.call('GET', '/v2/alerts/1');
  expect(status).toBe(200);
  const { history, history_count, notifications, notifications_count } = body.results;
  const cycles = history.map((change: { alert_cycle: number }) => change.alert_cycle);
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
  expect(cycles).toEqual([...range(1, 50), ...range(4801, 5000)]);
  expect(history_count).toBe(5000);
  expect(notifications_count).toBe(2 + 2 * 4999);
  expect(notifications).toHaveLength(1000);
  const events = notifications.map(({ event }: { event: string }) => event);
  expect(events.slice(0, 3)).toEqual(['opened', 'opened', 'reminder']);
  expect(new Set(notifications.map((one: { delivery_id: string }) => one.delivery_id)).size).toBe(1000);
});
