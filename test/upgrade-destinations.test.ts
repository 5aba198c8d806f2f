import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { openAddress } from '../src/features/notifications/address.ts';
import { type DatabasePool, openDatabase, sql } from '../src/platform/db.ts';
import { Vault } from '../src/platform/vault.ts';
import { silentLogger } from './harness/logger.ts';
import { admin } from './harness/postgres.ts';

const FOLDER = path.join(import.meta.dirname, '../migrations');
const FILES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.sql'))
  .sort();
const name = `medic_test_${randomBytes(6).toString('hex')}`;
let db: DatabasePool;

const run = async (files: string[]) => {
  for (const file of files) await db.query({ text: readFileSync(path.join(FOLDER, file), 'utf8') });
};

beforeAll(async () => {
  const server = inject('postgres');
  await admin(server, `create database ${name}`);
  db = openDatabase({ connection: { ...server, database: name }, poolSize: 1, log: silentLogger() });
  await db.query(sql`create schema medic`);
  await run(FILES.filter((file) => file < '011'));
});
afterAll(async () => {
  await db.end();
  await admin(inject('postgres'), `drop database if exists ${name} with (force)`);
});

test('messages that were written before there were lanes keep their addresses and get one lane for each', async () => {
  await db.query(sql`
    insert into medic.alerts (service_id, kind, reason, period_from, created_at, heartbeat_name, service_name,
      priority, team)
    values (1, 'service', 'missed_heartbeat', now(), now(), 'a', 'a', 'p3', 't')`);
  await db.query(sql`
    insert into medic.alert_events (alert_id, event, occurred_at, cycle, facts) values (1, 'opened', now(), 1, '{}')`);
  const insert = (channel: string, destination: string, address: object) =>
    db.query(sql`
      insert into medic.notifications (delivery_id, alert_id, alert_event_id, channel, event, destination, address,
        status, created_at)
      values (gen_random_uuid(), 1, 1, ${channel}, 'opened', ${destination}, ${JSON.stringify(address)}::jsonb,
        'pending', now())`);
  await insert('slack', 'C1', { channel_id: 'C1' });
  await insert('slack', 'default', { channel_id: '' });
  await insert('pagerduty', 'default', { routing_key: 'a"\\key' });
  await insert('pagerduty', 'default', { routing_key: 'a"\\key' });
  await insert('pagerduty', 'default', { routing_key: 'other' });
  await run(FILES.filter((file) => file >= '011'));
  const { rows } = await db.query<{
    channel: string;
    destination: string;
    address: object;
    lane: string;
  }>(sql`
    select channel, destination, address, lane from medic.notifications order by sequence`);
  const vault = new Vault({ current: undefined, previous: undefined });
  expect(rows.map((row) => openAddress(vault, { ...row, address: { ...row.address } }))).toEqual([
    { channel_id: 'C1' },
    { channel_id: '' },
    { routing_key: 'a"\\key' },
    { routing_key: 'a"\\key' },
    { routing_key: 'other' },
  ]);
  expect(rows[2]?.lane).toBe(rows[3]?.lane);
  expect(new Set(rows.map(({ lane }) => lane)).size).toBe(4);
});
