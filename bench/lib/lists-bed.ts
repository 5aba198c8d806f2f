import type pg from 'pg';

/** How much there is to page through. */
export const FILLED = {
  services: 10_000,
  events: 1_000_000,
  days: 30,
  runs: 100_000,
  alerts: 100_000,
  notifications: 300_000,
  auditEntries: 200_000,
  snapshots: 20_000,
  windows: 500,
} as const;

/** Sends a tenth of all events, has a tenth of all runs, and every tenth entry of the audit log tells of it. */
export const BUSY_SERVICE = 1;
/** Two thirds of all messages to webhooks go there. */
export const BUSY_WEBHOOK = 1;

/**
 * Fills a migrated database by SQL: much history, and services in every state. Triggers and foreign keys are not asked,
 * since the event stream would tell each row. No service is due before the next day.
 */
export async function fillLists(client: pg.Client): Promise<void> {
  await client.query('set session_replication_role = replica');
  for (const text of [SERVICES, STATES, MUTES, PARTITIONS, EVENTS, RUNS, ALERTS, ALERT_EVENTS, WEBHOOKS]) {
    await client.query(text);
  }
  for (const text of [NOTIFICATIONS, ATTEMPTS, AUDIT, SNAPSHOTS, WINDOWS, WINDOW_SERVICES, TOLD]) {
    await client.query(text);
  }
  for (const [table, id] of IDENTITIES) {
    await client.query(
      `select setval(pg_get_serial_sequence('medic.${table}', '${id}'), (select max(${id}) from medic.${table}))`,
    );
  }
  await client.query('vacuum analyze');
}

const IDENTITIES = [
  ['services', 'service_id'],
  ['alerts', 'alert_id'],
  ['alert_events', 'alert_event_id'],
  ['webhooks', 'webhook_id'],
];

/** Names are not in the order of the ids. */
const SERVICES = `
  insert into medic.services (service_id, heartbeat_name, name_key, service_name, active, alert_interval_seconds, team,
    priority, runbook, ping_key, monitoring_since, date_added, date_modified)
  select n, name, name, 'Service ' || n % 2500, n % 50 <> 7, 604800, 'team-' || n % 20, 'p' || 1 + n % 5,
    'https://wiki.example.com/runbooks/' || n, gen_random_uuid(), added, added, added
  from (select n, 'job-' || substr(md5(n::text), 1, 12) as name, now() - n * interval '20 minutes' as added
    from generate_series(1, ${FILLED.services}) n) service`;

/** Of forty services one is down and one late; the alerts of the first have the greatest ids. */
const STATES = `
  insert into medic.service_state (service_id, check_at, signs, ever_alive, last_heartbeat_at, last_status, alert_id,
    failure_uncleared)
  select service_id, now() + interval '1 day', array[sign], service_id % 100 <> 3, sign,
    case when service_id % 60 = 9 then 'DEGRADED' else 'UP' end,
    case when service_id % 40 = 0 then ${FILLED.alerts} - ${FILLED.services} / 40 + service_id / 40 end,
    service_id % 40 = 1
  from (select service_id, now() - random() * interval '1 hour' as sign from medic.services) service`;

const MUTES = `
  insert into medic.mutes (service_id, muted_at, mute_until, reason)
  select service_id, now(), now() + interval '2 days', 'known' from medic.services where service_id % 50 = 11`;

const PARTITIONS = `
  do $$
  declare midnight timestamptz;
  begin
    for midnight in select (current_date - day)::timestamp at time zone 'UTC'
      from generate_series(2, ${FILLED.days}) day
    loop
      execute format('create table if not exists medic.%I partition of medic.heartbeats for values from (%L) to (%L)',
        'heartbeats_' || to_char(midnight at time zone 'UTC', 'YYYYMMDD'), midnight, midnight + interval '1 day');
    end loop;
  end $$`;

const SERVICE_OF = (n: string) =>
  `case when ${n} % 10 = 0 then ${BUSY_SERVICE} else 2 + ${n} % ${FILLED.services - 1} end`;

const EVENTS = `
  insert into medic.heartbeats (service_id, received_at, status, source, run_id, message)
  select ${SERVICE_OF('n')},
    now() - (${FILLED.events} - n) * (interval '${FILLED.days} days' / ${FILLED.events}::float8),
    (array['UP', 'UP', 'UP', 'UP', 'COMPLETED', 'STARTED', 'DEGRADED'])[1 + n % 7], 'api',
    case when n % 7 > 3 then 'run-' || n / 100 end, case when n % 3 = 0 then 'took ' || n % 977 || ' ms' end
  from generate_series(1, ${FILLED.events}) n`;

const RUNS = `
  insert into medic.job_runs (service_id, run_id, status, started_at, completed_at, duration_ms)
  select ${SERVICE_OF('n')}, 'run-' || n,
    case when n % 500 = 1 then 'STARTED' when n % 20 = 3 then 'FAILED' else 'COMPLETED' end, started_at,
    case when n % 500 <> 1 then started_at + n % 977 * interval '1 millisecond' end,
    case when n % 500 <> 1 then n % 977 end
  from (select n, now() - (${FILLED.runs} - n) * (interval '90 days' / ${FILLED.runs}::float8) as started_at
    from generate_series(1, ${FILLED.runs}) n) run`;

const ALERTS = `
  insert into medic.alerts (alert_id, service_id, kind, reason, run_id, state, period_from, announced_at,
    last_message_at, acknowledged_at, acknowledged_by, created_at, closed_at, close_reason, heartbeat_name,
    service_name, priority, team, runbook)
  select n, service_id, kind, case when kind <> 'service' then kind when n % 4 = 0 then 'job_failed' else 'missed_heartbeat' end,
    case when kind <> 'service' then 'run-' || n end, case when going_on then 'open' else 'closed' end,
    opened_at, opened_at, opened_at, case when n % 3 = 0 then opened_at end, case when n % 3 = 0 then 'key:ops' end,
    opened_at, case when not going_on then opened_at + interval '7 minutes' end,
    case when going_on then null when kind = 'service' then 'recovered' else 'run_finished' end,
    heartbeat_name, service_name, priority, team, runbook
  from (
    select n, n > ${FILLED.alerts} - ${FILLED.services} / 40 as going_on,
      case when n > ${FILLED.alerts} - ${FILLED.services} / 40
        then (n - ${FILLED.alerts} + ${FILLED.services} / 40) * 40 else ${SERVICE_OF('n')} end as service_id,
      case when n <= ${FILLED.alerts} - ${FILLED.services} / 40 and n % 10 = 7 then 'stale_job'
        when n <= ${FILLED.alerts} - ${FILLED.services} / 40 and n % 20 = 9 then 'duration_exceeded'
        else 'service' end as kind,
      now() - (${FILLED.alerts} - n) * (interval '90 days' / ${FILLED.alerts}::float8) as opened_at
    from generate_series(1, ${FILLED.alerts}) n
  ) alert join medic.services using (service_id)`;

const ALERT_EVENTS = `
  insert into medic.alert_events (alert_id, event, occurred_at, cycle, facts, decisions)
  select alert_id, event, coalesce(case when event = 'recovered' then closed_at end, created_at), 1, '{}',
    jsonb_build_array(jsonb_build_object('channel', 'slack', 'destination', 'C0OPS', 'target_id', null,
      'webhook_id', null, 'outcome', 'send', 'reason', 'sent'))
  from medic.alerts cross join unnest(array['opened', 'recovered']) event
  where event = 'opened' or state = 'closed'`;

const WEBHOOKS = `
  insert into medic.webhooks (webhook_id, config, destination, address)
  select n, jsonb_build_object('url', 'https://hooks.example.com/' || n), 'https://hooks.example.com/' || n,
    jsonb_build_object('url', 'https://hooks.example.com/' || n, 'digest', md5(n::text))
  from generate_series(1, 20) n`;

const NOTIFICATIONS = `
  insert into medic.notifications (delivery_id, alert_id, alert_event_id, channel, event, destination, address, status,
    attempts, created_at, last_attempt_at, response_code, reference, webhook_id)
  select gen_random_uuid(), alert_id, alert_event_id, channel, event, channel || '-destination',
    jsonb_build_object('digest', md5(channel)), case when alert_id % 50 = 0 then 'failed' else 'success' end, 1,
    created_at, created_at, 200, case when channel = 'pagerduty' then 'key-' || alert_id end,
    case when channel = 'webhook' then case when alert_id % 3 = 0 then 2 + alert_id % 19 else ${BUSY_WEBHOOK} end end
  from (select alert_id, alert_event_id, event, occurred_at as created_at from medic.alert_events
    where event = 'opened' order by alert_id) opened
  cross join unnest(array['slack', 'pagerduty', 'webhook']) channel
  limit ${FILLED.notifications}`;

const ATTEMPTS = `
  insert into medic.delivery_attempts (delivery_id, attempt, started_at, finished_at, outcome, response_code)
  select delivery_id, 1, created_at, created_at, 'sent', 200 from medic.notifications`;

const AUDIT = `
  insert into medic.audit_entries (action_type, service_id, execution_id, playbook_id, details, actor, occurred_at)
  select case when n % 10 = 0 then 'config_changed' else 'step_completed' end, ${SERVICE_OF('n')},
    case when n % 10 <> 0 then n / 10 end, case when n % 10 <> 0 then n % 30 end,
    jsonb_build_object('changed', jsonb_build_object('threshold', jsonb_build_object('from', n % 9, 'to', n % 7))),
    'key:operator-' || n % 25,
    now() - (${FILLED.auditEntries} - n) * (interval '365 days' / ${FILLED.auditEntries}::float8)
  from generate_series(1, ${FILLED.auditEntries}) n`;

const SNAPSHOTS = `
  insert into medic.service_snapshots (service_id, heartbeat_name, action_type, snapshot_data, actor, created_at)
  select service_id, heartbeat_name, (array['edit', 'mute', 'unmute', 'team_change', 'bulk_edit'])[1 + n % 5],
    to_jsonb(service) - 'ping_key' - 'service_id', 'key:operator-' || n % 25,
    now() - (${FILLED.snapshots} - n) * (interval '365 days' / ${FILLED.snapshots}::float8)
  from generate_series(1, ${FILLED.snapshots}) n join medic.services service on service_id = 1 + n % 5000`;

/** A tenth recurs; none covers all services, except for one that is over. */
const WINDOWS = `
  insert into medic.maintenance_windows (window_id, name, name_key, starts_at, ends_at, recurrence, timezone, all_services)
  select n, 'window ' || n, 'window ' || n, start_at, start_at + interval '2 hours',
    case when n % 10 = 0 then n % 60 || ' 2 * * ' || n % 7 end, 'Europe/Berlin', n = 1
  from (select n, now() - (500 - n) * interval '1 hour' as start_at from generate_series(1, ${FILLED.windows}) n) w`;

const WINDOW_SERVICES = `
  insert into medic.maintenance_window_services (window_id, service_id)
  select window_id, 1 + (window_id * 20 + k) % ${FILLED.services}
  from medic.maintenance_windows cross join generate_series(0, 19) k where not all_services`;

/** As the event stream would have told them; which they are matters to it only. */
const TOLD = `insert into medic.told_states (service_id, state) select service_id, 'up' from medic.services`;
