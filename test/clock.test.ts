import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DatabaseClock } from '../src/platform/clock.ts';
import { type DatabasePool, openDatabase, sql } from '../src/platform/db.ts';
import { createTestDatabase, type TestDatabase } from './harness/database.ts';
import { recordingLogger } from './harness/logger.ts';
import { eventually } from './harness/process.ts';

const HOUR_MS = 3_600_000;
/** Of a comparison with the database, on a busy machine. */
const NEAR_MS = 400;

let database: TestDatabase;
let db: DatabasePool;
let clock: DatabaseClock;
let lines: Record<string, unknown>[];
/** How wrong the clock of this machine seems to be. */
let shiftMs: number;

beforeEach(async () => {
  shiftMs = 0;
  const { now } = Date;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + shiftMs);
  database = await createTestDatabase();
  const recording = recordingLogger();
  lines = recording.lines;
  db = openDatabase({ connection: database.connection, poolSize: 2, log: recording.log });
  clock = new DatabaseClock(db.pool, recording.log);
});
afterEach(async () => {
  clock.stop();
  vi.restoreAllMocks();
  await db.end();
  await database.drop();
});

/** How far the clock is from that of the database. */
async function error(): Promise<number> {
  const before = clock.now().getTime();
  const { rows } = await db.query<{ at: Date }>(sql`select clock_timestamp() as at`);
  const after = clock.now().getTime();
  const at = rows[0]?.at.getTime() ?? Number.NaN;
  return at < before ? before - at : Math.max(0, at - after);
}

const warnings = () => lines.filter(({ level }) => level === 'WARNING');

test.each([-10 * 60_000, 10 * 60_000])(
  'a process clock that is wrong by %i ms from the start is corrected, and told once',
  async (wrongMs) => {
    shiftMs = wrongMs;
    await clock.start();
    expect(await error()).toBeLessThan(NEAR_MS);
    expect(warnings()).toHaveLength(1);
    const skew = Number(warnings()[0]?.skew_ms);
    expect(Math.abs(skew - wrongMs)).toBeLessThan(NEAR_MS);
  },
);

test('a process clock that is right is not told', async () => {
  await clock.start();
  expect(await error()).toBeLessThan(NEAR_MS);
  expect(warnings()).toEqual([]);
});

test.each([HOUR_MS, -HOUR_MS])(
  'a process clock that jumps by %i ms moves no instant, and is told',
  async (jumpMs) => {
    await clock.start();
    shiftMs = jumpMs;
    // At once, not only after the next measurement.
    for (let look = 0; look < 20; look += 1) {
      expect(await error()).toBeLessThan(NEAR_MS);
      await sleep(10);
    }
    await eventually('a warning', 5_000, () => warnings().length === 1);
    shiftMs = 0;
    expect(await error()).toBeLessThan(NEAR_MS);
    await sleep(200);
    shiftMs = jumpMs;
    expect(await error()).toBeLessThan(NEAR_MS);
    await eventually('another warning', 5_000, () => warnings().length === 2);
  },
);

test('a clock that was never measured gives the time of the machine', () => {
  expect(Math.abs(clock.now().getTime() - Date.now())).toBeLessThan(NEAR_MS);
});

test('without database the last known difference goes on to apply', async () => {
  shiftMs = HOUR_MS;
  await clock.start();
  const before = await error();
  const [at, from] = [clock.now().getTime(), performance.now()];
  await db.end();
  shiftMs = -HOUR_MS;
  await sleep(300);
  const passed = performance.now() - from;
  expect(Math.abs(clock.now().getTime() - at - passed)).toBeLessThan(NEAR_MS);
  expect(before).toBeLessThan(NEAR_MS);
  db = openDatabase({ connection: database.connection, poolSize: 2, log: recordingLogger().log });
});
