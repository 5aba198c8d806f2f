import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorCode } from '../../src/platform/db.ts';
import { registered } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
let serviceId: number;
beforeAll(async () => {
  medic = await startTestMedic();
  ({ service_id: serviceId } = await registered(medic, { heartbeat_name: 'taken' }));
  await registered(medic, { heartbeat_name: 'other' });
});
afterAll(() => medic.close());

/** The SQLSTATE with which the database refuses a value; undefined when it takes it. */
async function refusal(table: string, column: string, value: unknown): Promise<string | undefined> {
  const text = `update medic.${table} set ${column} = $1 where service_id = $2`;
  return medic.db.query({ text, values: [value, serviceId] }).then(() => undefined, errorCode);
}

const CHECK = '23514';
const NOT_NULL = '23502';
const UNIQUE = '23505';

test.each<[column: string, value: unknown, code: string]>([
  ['heartbeat_name', '', CHECK],
  ['heartbeat_name', 'x'.repeat(256), CHECK],
  ['heartbeat_name', 'a/b', CHECK],
  ['heartbeat_name', ' a', CHECK],
  ['heartbeat_name', 'a ', CHECK],
  ['heartbeat_name', 'a\nb', CHECK],
  ['name_key', 'other', UNIQUE],
  ['service_name', '', CHECK],
  ['service_name', '😀'.repeat(256), CHECK],
  ['service_name', null, NOT_NULL],
  ['active', null, NOT_NULL],
  ['alert_interval_seconds', 9, CHECK],
  ['alert_interval_seconds', 604_801, CHECK],
  ['threshold', 0, CHECK],
  ['threshold', 101, CHECK],
  ['grace_period_seconds', -1, CHECK],
  ['grace_period_seconds', 604_801, CHECK],
  ['max_duration_ms', 0, CHECK],
  ['team', 'x'.repeat(101), CHECK],
  ['team', null, NOT_NULL],
  ['priority', 'p6', CHECK],
  ['priority', 'P1', CHECK],
  ['runbook', 'x'.repeat(2049), CHECK],
  ['notification_mode', 'notify', CHECK],
])('the database refuses %s %j of a service by itself', async (column, value, code) => {
  expect(await refusal('services', column, value)).toBe(code);
});

test('the database takes what lies at the limits', async () => {
  for (const [column, value] of [
    ['heartbeat_name', '😀'.repeat(255)],
    ['service_name', '😀'.repeat(255)],
    ['alert_interval_seconds', 10],
    ['alert_interval_seconds', 604_800],
    ['threshold', 100],
    ['grace_period_seconds', 604_800],
    ['max_duration_ms', Number.MAX_SAFE_INTEGER],
    ['team', ''],
    ['runbook', null],
  ] as const) {
    expect(await refusal('services', column, value), column).toBeUndefined();
  }
});

test('the database refuses a heartbeat beyond the limits', async () => {
  const insert = (status: string, runId: string | null, message: string | null) =>
    medic.db
      .query({
        text: `insert into medic.heartbeats (service_id, received_at, status, source, run_id, message)
          values ($1, $2, $3, 'api', $4, $5)`,
        values: [serviceId, medic.clock.now(), status, runId, message],
      })
      .then(() => undefined, errorCode);
  expect(await insert('up', null, null)).toBe(CHECK);
  expect(await insert('UP', '', null)).toBe(CHECK);
  expect(await insert('UP', 'x'.repeat(256), null)).toBe(CHECK);
  expect(await insert('UP', null, 'x'.repeat(10_241))).toBe(CHECK);
  expect(await insert('UP', 'x'.repeat(255), 'x'.repeat(10_240))).toBeUndefined();
});
