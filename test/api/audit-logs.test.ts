import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Entry } from '../../src/features/audit/entry.ts';
import { recordEntries } from '../../src/features/audit/record.ts';
import { retainAuditEntries } from '../../src/features/audit/retain.ts';
import { sql } from '../../src/platform/db.ts';
import { AUTHORIZATION } from '../harness/admin.ts';
import { expectFailure, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';
import { eventually } from '../harness/process.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
  await medic.db.transaction((tx) => recordEntries(tx, RUN));
});
afterAll(() => medic.close());

const at = (second: number) => new Date(Date.UTC(2040, 0, 1, 0, 0, second));
const playbook = { playbook_id: 5, playbook_name: '=restart, "now"' };
const run = { executionId: 41, playbookId: 5, serviceId: 900 };
/** A run of two steps, and what else can happen. */
const RUN: Entry[] = [
  {
    ...run,
    action: 'execution_started',
    actor: 'ci-bot',
    at: at(0),
    details: { ...playbook, playbook_version: 1, trigger: 'api' },
  },
  { ...run, action: 'step_completed', actor: null, at: at(1), details: { step_name: 'a', step_index: 0 } },
  { ...run, action: 'step_completed', actor: null, at: at(1), details: { step_name: 'b', step_index: 1 } },
  {
    ...run,
    action: 'execution_completed',
    actor: null,
    at: at(2),
    details: { playbook_name: 'restart', steps_completed: 2 },
  },
  {
    action: 'key_created',
    actor: '=cmd|calc',
    at: at(3),
    details: { name: 'ci', key_prefix: 'AbC12xYz', scopes: ['read'] },
  },
];

const list = async (query: string) => resultsOf(await medic.call('GET', `/v2/audit-logs?${query}`));
const actionsOf = async (query: string) =>
  (await list(query)).entries.map((entry: { action_type: string }) => entry.action_type);

test('a run of two steps is told in order, newest first', async () => {
  const { entries, total_count } = await list('execution_id=41');
  expect(total_count).toBe(4);
  expect(entries.map((entry: { action_type: string }) => entry.action_type).reverse()).toEqual([
    'execution_started',
    'step_completed',
    'step_completed',
    'execution_completed',
  ]);
  expect(entries[3]).toEqual({
    log_id: expect.any(Number),
    execution_id: 41,
    playbook_id: 5,
    service_id: 900,
    action_type: 'execution_started',
    details: { ...playbook, playbook_version: 1, trigger: 'api' },
    actor: 'ci-bot',
    timestamp: '2040-01-01T00:00:00.000Z',
    created_at: '2040-01-01T00:00:00.000Z',
  });
});

test.each([
  ['service_id=900', 4],
  ['service_id=901', 0],
  ['playbook_id=5&action_type=STEP_completed', 2],
  ['actor=ci-bot', 1],
  ['actor=%3Dcmd%7Ccalc', 1],
  ['action_type=key_created', 1],
  ['execution_id=41&start_date=2040-01-01T00:00:01Z&end_date=2040-01-01T00:00:01Z', 2],
  ['execution_id=41&end_date=2040-01-01', 1],
  ['execution_id=41&start_date=2041-01-01&end_date=2040-01-01', 0],
  ['execution_id=9007199254740991', 0],
])('?%s finds %i', async (query, count) => {
  expect(await list(query)).toMatchObject({ total_count: count });
  expect(await actionsOf(query)).toHaveLength(count);
});

test.each([
  ['action_type=nothing', 'action_type: must be one of execution_started, step_completed, step_failed'],
  ['action_type=nothing', 'config_changed'],
  ['start_date=yesterday', 'start_date'],
  ['end_date=2040-02-30', 'end_date'],
  ['execution_id=x', 'execution_id'],
  ['service_id=-1', 'service_id'],
  ['playbook_id=1.5', 'playbook_id'],
  ['service_id=99999999999', 'service_id'],
  ['actor=%00', 'actor'],
  ['who=me', 'who'],
])('?%s is refused by name, also by the export', async (query, words) => {
  expectFailure(await medic.call('GET', `/v2/audit-logs?${query}`), 400, words);
  expectFailure(await medic.call('GET', `/v2/audit-logs/export?${query}`), 400, words);
});

test('a format that does not exist is refused', async () => {
  expectFailure(await medic.call('GET', '/v2/audit-logs/export?format=xml'), 400, 'format', 'csv, json');
});

test('with Accept: text/csv the same page is CSV, its paging in headers, without formulas', async () => {
  const path = '/v2/audit-logs?start_date=2040-01-01&end_date=2040-01-02&limit=4';
  const response = await medic.fetch(path, { headers: { accept: 'text/csv' } });
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': 'attachment; filename=audit_logs.csv',
    'x-total-count': '5',
    'x-limit': '4',
    'x-offset': '0',
    'x-has-more': 'true',
  });
  const [header, first, second, ...rest] = (await response.text()).split('\r\n');
  expect(header).toBe('log_id,execution_id,action_type,actor,timestamp,created_at,details');
  const time = '2040-01-01T00:00:03.000Z';
  expect(first).toMatch(/^\d+,,key_created,'=cmd\|calc,/);
  expect(first).toContain(`,${time},${time},"{""name"": `.replace(': ', ':'));
  expect(second).toContain('execution_completed');
  expect(rest).toHaveLength(3);
  expect(rest.at(-1)).toBe('');
});

test('changes of services are told with the actor, and never with a ping key', async () => {
  const service = await registered(medic);
  const id = service.service_id;
  resultsOf(await medic.call('POST', `/v2/services/${id}/ping-key/rotate`));
  resultsOf(await medic.call('DELETE', `/v2/services/${id}`));
  const { entries } = await list(`service_id=${id}`);
  expect(entries.map((entry: { details: { action: string } }) => entry.details.action)).toEqual([
    'delete',
    'update',
    'create',
  ]);
  for (const entry of entries) expect(entry).toMatchObject({ action_type: 'config_changed', actor: 'admin' });
  expect(JSON.stringify(entries)).not.toContain(service.ping_key);
});

test('retention removes what is old, and nothing else', async () => {
  const { total_count } = await list('');
  for (const text of ['update medic.audit_entries set actor = null', 'truncate medic.audit_entries']) {
    const cheating = medic.db.transaction(async (tx) => {
      await tx.query(sql`set local medic.audit_retention = 'on'`);
      await tx.query({ text });
    });
    await expect(cheating).rejects.toThrow('append-only');
  }
  expect(await retainAuditEntries(medic.db, at(2))).toBe(3);
  expect((await list('')).total_count).toBe(total_count - 3);
  expect(await actionsOf('execution_id=41')).toEqual(['execution_completed']);
});

const MANY = 20_000;

test('an export holds everything that matches, in constant memory, whatever is appended meanwhile', async () => {
  await medic.db.query(sql`
    insert into medic.audit_entries (action_type, details, actor, occurred_at)
    select 'config_changed', jsonb_build_object('n', n, 'filler', repeat('x', 1000)), 'export',
      '2039-01-01'::timestamptz + n / 3 * interval '1 second'
    from generate_series(1, ${MANY}::int) n`);
  for (const format of ['json', 'csv']) {
    const response = await medic.fetch(`/v2/audit-logs/export?format=${format}&actor=export`);
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename=audit_logs.${format}`);
    const text = await response.text();
    const numbers =
      format === 'json'
        ? JSON.parse(text).map((entry: { details: { n: number } }) => entry.details.n)
        : [...text.matchAll(/""n"":(\d+)/g)].map(([, n]) => Number(n));
    expect(numbers).toHaveLength(MANY);
    expect(new Set(numbers).size).toBe(MANY);
    expect(numbers[0]).toBe(MANY);
  }
  expect(await (await medic.fetch('/v2/audit-logs/export?format=json&actor=nobody')).text()).toBe('[]\n');
  expect(await (await medic.fetch('/v2/audit-logs/export?actor=nobody')).text()).toMatch(/^log_id,.*\r\n$/);
});

/** A client that reads the beginning of an export, and no more. */
async function halfRead(format: string): Promise<net.Socket> {
  const { port, hostname } = new URL(medic.url);
  const socket = net.connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(
    `GET /v2/audit-logs/export?format=${format}&actor=export HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZATION}\r\n\r\n`,
  );
  await once(socket, 'readable');
  return socket;
}

const batchesRead = async () => {
  const { rows } = await medic.db.query<{ n: number }>(sql`
    select idx_scan::int as n from pg_stat_user_indexes where indexrelname = 'audit_entries_of_actor'`);
  return rows[0]?.n ?? 0;
};

test('a reader that stops, or goes away, ends the reading of the database', async () => {
  const socket = await halfRead('json');
  await medic.db.query(sql`select pg_stat_force_next_flush()`);
  const active = () => medic.db.pool.totalCount - medic.db.pool.idleCount;
  await eventually('an idle pool', 2_000, () => active() === 0);
  const before = await batchesRead();
  socket.destroy();
  await eventually('an idle pool', 2_000, () => active() === 0);
  expect((await batchesRead()) - before).toBeLessThan(5);
});

test('an export that breaks off does not look complete', async () => {
  for (const format of ['json', 'csv']) {
    const socket = await halfRead(format);
    await medic.db.query(sql`alter table medic.audit_entries rename to audit_entries_away`);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(socket, 'close');
    await medic.db.query(sql`alter table medic.audit_entries_away rename to audit_entries`);
    // An answer in chunks is complete with its last one, which is empty.
    expect(Buffer.concat(chunks).toString().endsWith('0\r\n\r\n')).toBe(false);
  }
});

test('HEAD of an export answers without a body', async () => {
  const response = await medic.fetch('/v2/audit-logs/export?actor=export', { method: 'HEAD' });
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('');
});

test.each([
  ['', 'audit_entries_newest'],
  ["actor = 'x'", 'audit_entries_of_actor'],
  ["action_type = 'approved'", 'audit_entries_of_action'],
  ['execution_id = 7', 'audit_entries_of_execution'],
  ['playbook_id = 7', 'audit_entries_of_playbook'],
  ['service_id = 7', 'audit_entries_of_service'],
  [
    "service_id = 7 and action_type = 'config_changed' and occurred_at > '2040-01-01'",
    'audit_entries_of_service',
  ],
])('a page where %s is found by %s', async (condition, index) => {
  await medic.db.query(sql`analyze medic.audit_entries`);
  const { rows } = await medic.db.query<{ 'QUERY PLAN': string }>({
    text: `explain select * from medic.audit_entries where ${condition || 'true'}
      order by occurred_at desc, log_id desc limit 50`,
  });
  expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain(`using ${index}`);
});
