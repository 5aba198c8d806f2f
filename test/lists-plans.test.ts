import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApi } from '../src/api.ts';
import type { Router } from '../src/http/server.ts';
import { type DatabasePool, sql } from '../src/platform/db.ts';
import { AUTHORIZATION } from './harness/admin.ts';
import { START, startTestMedic, type TestMedic } from './harness/medic.ts';

/** A node of a plan as `explain (format json)` tells it. */
interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  Plans?: Node[];
}

let medic: TestMedic;
let api: Router;
/** Partitions that hold events: one without is read from end to end, which is nothing. */
let filled: Set<string>;
let plans: { statement: string; nodes: Node[] }[] = [];

beforeAll(async () => {
  medic = await startTestMedic();
  await fill(medic.db);
  const { rows } = await medic.db.query<{ name: string }>(sql`
    select distinct relname as name from medic.heartbeats event join pg_class on pg_class.oid = event.tableoid`);
  filled = new Set(rows.map(({ name }) => name));
  expect(filled.size).toBe(7);
  const parts = medic.another(explaining(medic.db));
  api = await createApi(parts, { migrated: true, stopping: false, workerAlive: () => true });
}, 120_000);
afterAll(async () => {
  await api.close();
  await medic.close();
});

/** Notes the plan of every statement that reads, with its values, before it runs. */
function explaining(db: DatabasePool): DatabasePool {
  return {
    ...db,
    async query(statement) {
      if (/^\s*(select|with)\b/.test(statement.text)) {
        const { rows } = await db.query<{ 'QUERY PLAN': { Plan: Node }[] }>({
          text: `explain (format json) ${statement.text}`,
          values: statement.values ?? [],
        });
        plans.push({ statement: statement.text, nodes: nodesOf(rows[0]?.['QUERY PLAN'][0]?.Plan) });
      }
      return db.query(statement);
    },
  };
}

function nodesOf(node: Node | undefined): Node[] {
  return node === undefined ? [] : [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

const SERVICES = 2_000;
const EVENTS = 80_000;
const ALERTS = 20_000;

/** A twentieth of everything is of service 1; the events fill eight days. */
async function fill(db: DatabasePool): Promise<void> {
  const client = await db.pool.connect();
  const serviceOf = `case when n % 20 = 0 then 1 else 2 + n % ${SERVICES - 1} end`;
  const at = (total: number) => `timestamptz '${START}' + n * (interval '6 days' / ${total}::float8)`;
  const series = (total: number) => `from generate_series(1, ${total}) n`;
  try {
    for (const statement of [
      // As in production: the event stream tells nothing of it.
      'set session_replication_role = replica',
      `insert into medic.services (service_id, heartbeat_name, name_key, service_name, alert_interval_seconds, team,
         priority, ping_key, monitoring_since, date_added, date_modified)
       select n, 'job-' || n, 'job-' || n, 'Service ' || n % 500, 604800, 'team-' || n % 20, 'p' || 1 + n % 5,
         gen_random_uuid(), '${START}', '${START}', '${START}' ${series(SERVICES)}`,
      `insert into medic.service_state (service_id, last_heartbeat_at) select service_id, '${START}' from medic.services`,
      `insert into medic.heartbeats (service_id, received_at, status, source, run_id, message)
       select ${serviceOf}, ${at(EVENTS)}, (array['UP', 'UP', 'STARTED', 'COMPLETED'])[1 + n % 4], 'api',
         case when n % 4 > 1 then 'run-' || n / 40 end, 'message ' || n ${series(EVENTS)}`,
      `insert into medic.alerts (alert_id, service_id, kind, reason, state, period_from, created_at, closed_at,
         close_reason, heartbeat_name, service_name, priority, team)
       select n, ${serviceOf}, 'service', 'missed_heartbeat', 'closed', ${at(ALERTS)}, ${at(ALERTS)}, ${at(ALERTS)},
         'recovered', 'job', 'Service', 'p1', 'team-1' ${series(ALERTS)}`,
      `insert into medic.notifications (delivery_id, alert_id, alert_event_id, channel, event, destination, address,
         status, created_at, webhook_id)
       select gen_random_uuid(), n, n, 'webhook', 'opened', 'https://hooks.example.com', '{}',
         case when n % 9 = 0 then 'failed' else 'success' end, ${at(ALERTS)}, 1 + n % 3 ${series(ALERTS)}`,
      `insert into medic.webhooks (webhook_id, config, destination, address)
       select n, '{}', 'https://hooks.example.com', '{}' ${series(3)}`,
      `insert into medic.audit_entries (action_type, service_id, execution_id, playbook_id, details, actor, occurred_at)
       select 'step_completed', ${serviceOf}, n / 10, n % 30, '{}', 'key:operator-' || n % 25, ${at(ALERTS)}
       ${series(ALERTS)}`,
      `insert into medic.service_snapshots (service_id, heartbeat_name, action_type, snapshot_data, actor, created_at)
       select ${serviceOf}, 'job', 'edit', '{}', 'key:operator', ${at(ALERTS)} ${series(ALERTS)}`,
      'vacuum analyze',
      'reset session_replication_role',
    ]) {
      await client.query(statement);
    }
  } finally {
    client.release();
  }
}

async function ask(path: string) {
  plans = [];
  const answer = await api.inject({ url: path, headers: { authorization: AUTHORIZATION } });
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json().results;
}

const eventScans = (nodes: readonly Node[]) =>
  nodes.filter((node) => filled.has(node['Relation Name'] ?? ''));

const EVENT_LISTS = [
  '/v2/services/1/heartbeats',
  '/v2/services/1/heartbeats?offset=3900',
  '/v2/services/1/heartbeats?status=UP&offset=1000',
  '/v2/services/1/heartbeats?status=FAILED',
  '/v2/services/1/heartbeats?run_id=run-500&limit=250',
  '/v2/services/1/heartbeats?start_date=2040-03-02T00:00:00Z&end_date=2040-03-04T00:00:00Z&offset=500',
  '/v2/services/77/heartbeats',
  '/v2/services/77/heartbeats?status=UP&offset=10',
  '/v2/services/1/stats',
  '/heartbeat',
  '/heartbeat?heartbeat_name=job-1',
  '/heartbeat?heartbeat_name=job-77',
  '/heartbeat?service_name=Service%2077',
  '/heartbeat?service_name=Unknown',
];

describe('events', () => {
  test.each(EVENT_LISTS)('%s reads no event that an index has not found', async (path) => {
    await ask(path);
    const scans = eventScans(plans.flatMap(({ nodes }) => nodes));
    if (!path.endsWith('/stats')) expect(scans.length).toBeGreaterThan(0);
    expect(scans.filter((scan) => scan['Node Type'] === 'Seq Scan')).toEqual([]);
  });

  test.each(EVENT_LISTS.filter((path) => path.startsWith('/v2') && path.includes('heartbeats')))(
    '%s counts and skips in the index alone',
    async (path) => {
      await ask(path);
      const [listed, counted] = ['with', 'count'].map(
        (word) => plans.find(({ statement }) => statement.trim().slice(0, 30).includes(word))?.nodes ?? [],
      );
      const kinds = (nodes: Node[] = []) => new Set(eventScans(nodes).map((node) => node['Node Type']));
      expect([...kinds(counted)]).toEqual(['Index Only Scan']);
      // The second kind looks up the rows of the page by their whole key.
      expect([...kinds(listed)].sort()).toEqual(['Index Only Scan', 'Index Scan']);
      const lookUps = listed?.filter((node) => node['Node Type'] === 'Index Scan');
      for (const lookUp of lookUps ?? [])
        expect(lookUp['Index Cond']).toMatch(/received_at = .*heartbeat_id = /);
    },
  );

  test('the pages of a filter together are the whole list', async () => {
    const whole = await medic.db.query<{ heartbeat_id: number }>(sql`
      select heartbeat_id from medic.heartbeats where service_id = 1 and status = 'COMPLETED'
      order by received_at desc, heartbeat_id desc`);
    const paged: number[] = [];
    for (let more = true; more; ) {
      const page = await ask(`/v2/services/1/heartbeats?status=completed&limit=250&offset=${paged.length}`);
      paged.push(...page.entries.map((entry: { heartbeat_id: number }) => entry.heartbeat_id));
      expect(page.total_count).toBe(whole.rows.length);
      more = page.has_more;
    }
    expect(paged).toEqual(whole.rows.map((row) => row.heartbeat_id));
  });
});

test.each([
  ['/v2/services', 'services', 'services_pkey'],
  ['/v2/alerts', 'alerts', 'alerts_pkey'],
  ['/v2/alerts?offset=19000', 'alerts', 'alerts_pkey'],
  ['/v2/alerts?team=team-7', 'alerts', 'alerts_pkey'],
  ['/v2/alerts?service_id=77', 'alerts', 'alerts_of_service'],
  ['/v2/alerts?active=true', 'alerts', 'alerts_active'],
  ['/v2/audit-logs?offset=19000', 'audit_entries', 'audit_entries_newest'],
  ['/v2/audit-logs?service_id=77', 'audit_entries', 'audit_entries_of_service'],
  ['/v2/audit-logs?execution_id=77', 'audit_entries', 'audit_entries_of_execution'],
  ['/v2/audit-logs?actor=key:operator-3&offset=500', 'audit_entries', 'audit_entries_of_actor'],
  ['/v2/snapshots?offset=19000', 'service_snapshots', 'service_snapshots_newest'],
  ['/v2/snapshots?service_id=77', 'service_snapshots', 'service_snapshots_of_service'],
  ['/v2/webhooks/1/deliveries?offset=6000', 'notifications', 'notifications_of_webhook'],
  ['/v2/webhooks/1/deliveries?status=failed', 'notifications', 'notifications_of_webhook_by_status'],
  ['/v2/alerts/7', 'notifications', 'notifications_of_alert'],
])('the page of %s is found in %s by %s', async (path, table, index) => {
  await ask(path);
  const page = plans.filter(({ statement }) => !statement.includes('count(*)')).flatMap(({ nodes }) => nodes);
  expect(page.map((node) => node['Index Name'])).toContain(index);
  const scans = page.filter((node) => node['Relation Name'] === table);
  if (!path.includes('team=')) {
    expect(scans.filter((scan) => scan['Node Type'] === 'Seq Scan')).toEqual([]);
  }
});

test('only what is on the page is looked up whole', async () => {
  await ask('/v2/alerts?offset=19000&limit=10');
  const page = plans.find(({ statement }) => statement.includes('external_reference_id'))?.nodes ?? [];
  const alerts = page.filter((node) => node['Relation Name'] === 'alerts');
  expect(alerts.map((node) => node['Node Type']).sort()).toEqual(['Index Only Scan', 'Index Scan']);
});
