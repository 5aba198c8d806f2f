import { afterAll, beforeAll, expect, test } from 'vitest';
import { SCOPES } from '../../src/features/access/scope.ts';
import {
  ALERT_EVENTS,
  ALERT_STATES,
  CLOSE_REASONS,
  SUPPRESSIONS,
} from '../../src/features/alerts/machine.ts';
import { ALERT_KINDS, ALERT_REASONS } from '../../src/features/alerts/reason.ts';
import { ACTION_TYPES } from '../../src/features/audit/entry.ts';
import { EVENT_TYPES } from '../../src/features/events/event.ts';
import { STATUSES } from '../../src/features/heartbeats/status.ts';
import type { Item } from '../../src/features/heartbeats/store-events.ts';
import type { HeldReport } from '../../src/features/heartbeats/store-held.ts';
import type { RunSignal } from '../../src/features/heartbeats/store-runs.ts';
import type { AttemptResult, NewNotification } from '../../src/features/notifications/store.ts';
import { INTERPRETERS } from '../../src/features/playbooks/store-scripts.ts';
import { MANAGERS } from '../../src/features/playbooks/store-triggers.ts';
import { PERIODS } from '../../src/features/routing/destination.ts';
import { FIELDS } from '../../src/features/services/fields.ts';
import { SNAPSHOT_KINDS } from '../../src/features/services/snapshot-kind.ts';
import { type DatabasePool, openDatabase, sql } from '../../src/platform/db.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { silentLogger } from '../harness/logger.ts';

let database: TestDatabase;
let db: DatabasePool;

beforeAll(async () => {
  database = await createTestDatabase();
  db = openDatabase({ connection: database.connection, poolSize: 1, log: silentLogger() });
});
afterAll(async () => {
  await db.end();
  await database.drop();
});

/** The words of a union type: the compiler refuses a word too many or too few. */
const wordsOf = <Word extends string>(words: Record<Word, true>) => Object.keys(words);
const anyCase = (field: object) => (field as { anyCase: string[] }).anyCase;

const IN_CODE: Record<string, readonly string[]> = {
  'api_keys.scopes': SCOPES,
  'audit_entries.action_type': ACTION_TYPES,
  'alerts.kind': ALERT_KINDS,
  'alerts.reason': Object.keys(ALERT_REASONS),
  'alerts.state': ALERT_STATES,
  'alerts.close_reason': CLOSE_REASONS,
  'alert_events.event': ALERT_EVENTS,
  'alert_events.suppressed': SUPPRESSIONS,
  'event_outbox.type': EVENT_TYPES,
  'events.type': EVENT_TYPES,
  'heartbeats.status': STATUSES,
  'heartbeats.source': wordsOf<Item['source']>({ api: true, signal: true, ping: true }),
  'service_state.last_status': STATUSES,
  'held_reports.status': wordsOf<HeldReport['status']>({ DOWN: true, FAILED: true }),
  'job_runs.status': wordsOf<RunSignal['status'] | 'STALE_ALERTED'>({
    STARTED: true,
    COMPLETED: true,
    FAILED: true,
    STALE_ALERTED: true,
  }),
  'service_snapshots.action_type': SNAPSHOT_KINDS,
  'scripts.interpreter': INTERPRETERS,
  'services.priority': anyCase(FIELDS.priority),
  'services.notification_mode': anyCase(FIELDS.notification_mode),
  'targets.period': PERIODS,
  'triggers.managed_by': MANAGERS,
  'notifications.status': wordsOf<NewNotification['status'] | AttemptResult['status']>({
    pending: true,
    skipped: true,
    cancelled: true,
    success: true,
    retrying: true,
    failed: true,
  }),
  'delivery_attempts.outcome': wordsOf<AttemptResult['outcome']>({ sent: true, retry: true, failed: true }),
};

test('every list of words in the database is the one in the code', async () => {
  const { rows } = await db.query<{ place: string; definition: string }>(sql`
    select class.relname || '.' || attribute.attname as place, pg_get_constraintdef(con.oid) as definition
    from pg_constraint con
    join pg_class class on class.oid = con.conrelid and not class.relispartition
    join pg_attribute attribute on attribute.attrelid = class.oid and attribute.attnum = any(con.conkey)
    where con.contype = 'c' and con.connamespace = 'medic'::regnamespace`);
  const inDatabase = rows.flatMap(({ place, definition }) => {
    const list = /(?:= ANY \(|<@ )ARRAY\[(.+?)\]\)/.exec(definition)?.[1];
    return list === undefined
      ? []
      : [[place, [...list.matchAll(/'([\w.]+)'::text/g)].map(([, word]) => word)]];
  });
  const sorted = (entries: [string, readonly string[]][]) =>
    Object.fromEntries(entries.map(([place, words]) => [place, words.toSorted()]));
  expect(sorted(inDatabase as [string, string[]][])).toEqual(sorted(Object.entries(IN_CODE)));
});

test('what a deletion cascades to is found by an index, however much of it there is', async () => {
  const { rows } = await db.query<{ reference: string }>(sql`
    select con.conrelid::regclass || ' ' || con.conkey::text as reference
    from pg_constraint con
    where con.contype = 'f' and con.connamespace = 'medic'::regnamespace
      and not exists (
        select from pg_index index
        where index.indrelid = con.conrelid and index.indpred is null
          and (index.indkey::int2[])[0:cardinality(con.conkey) - 1] @> con.conkey)`);
  expect(rows).toEqual([]);
});
