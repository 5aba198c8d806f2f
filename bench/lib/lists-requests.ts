import { BUSY_SERVICE, BUSY_WEBHOOK, FILLED } from './lists-bed.ts';

interface ListRequests {
  list: string;
  /** Paths, each with one way to filter or sort. */
  requests: string[];
  /** Answered without paging: not held to the target of a page. */
  whole?: boolean;
}

const SORTS = ['service_id', 'heartbeat_name', 'service_name', 'last_heartbeat', 'priority'];
const SERVICE_FILTERS = [
  'heartbeat_name=Unknown',
  'service_name=Service%20100',
  'q=job-a',
  'q=SERVICE%2077',
  'q=nothing%20has%20this',
  'active=true',
  'active=false',
  'muted=true',
  'muted=false',
  'down=true',
  'down=false',
  ...['inactive', 'down', 'late', 'new', 'degraded', 'up'].map((state) => `state=${state}`),
  'team=team-7',
  'team_id=7',
  'priority=p1',
  'q=job&state=up&sort=last_heartbeat&dir=desc',
  'team=team-7&priority=p3&sort=service_name',
];
const PERIODS = ['start_date', 'end_date'].map((name) => `${name}=${encodeURIComponent(daysAgo(15))}`);
const NARROW = `start_date=${encodeURIComponent(daysAgo(16))}&${PERIODS[1]}`;
const QUIET_SERVICE = 77;

const withQuery = (path: string, queries: string[]) => [path, ...queries.map((query) => `${path}?${query}`)];
const ofBoth = (path: (id: number) => string, queries: string[]) =>
  [BUSY_SERVICE, QUIET_SERVICE].flatMap((id) => withQuery(path(id), queries));

export const LISTS: readonly ListRequests[] = [
  {
    list: '/v2/services',
    requests: withQuery('/v2/services', [
      ...SERVICE_FILTERS,
      ...SORTS.flatMap((sort) => ['asc', 'desc'].map((dir) => `sort=${sort}&dir=${dir}`)),
    ]),
  },
  {
    list: '/v2/services/{id}/heartbeats',
    requests: ofBoth(
      (id) => `/v2/services/${id}/heartbeats`,
      [
        ...['UP', 'DEGRADED', 'FAILED'].map((status) => `status=${status}`),
        'run_id=run-9000',
        ...PERIODS,
        NARROW,
      ],
    ),
  },
  {
    list: '/v2/services/{id}/runs',
    requests: ofBoth(
      (id) => `/v2/services/${id}/runs`,
      [
        ...['STARTED', 'COMPLETED', 'FAILED', 'STALE_ALERTED'].map((status) => `status=${status}`),
        'run_id=run-9000',
        'open=true',
        'open=false',
        'older_than=86400',
        ...PERIODS,
        NARROW,
      ],
    ),
  },
  { list: '/v2/services/{id}/stats', requests: ofBoth((id) => `/v2/services/${id}/stats`, []) },
  {
    list: '/v2/alerts',
    requests: withQuery('/v2/alerts', [
      'active=true',
      'active=false',
      `service_id=${BUSY_SERVICE}`,
      `service_id=${QUIET_SERVICE}`,
      ...['service', 'stale_job', 'duration_exceeded'].map((kind) => `kind=${kind}`),
      ...['missed_heartbeat', 'reported_down', 'job_failed', 'stale_job'].map((reason) => `reason=${reason}`),
      'priority=p2',
      'team=team-7',
      'team=Unknown',
      'acknowledged=true',
      'acknowledged=false',
      ...PERIODS,
      NARROW,
      'active=false&priority=p2&team=team-6',
    ]),
  },
  {
    list: '/v2/alerts/{id}',
    requests: [1, FILLED.alerts / 2, FILLED.alerts].map((id) => `/v2/alerts/${id}`),
  },
  {
    list: '/v2/audit-logs',
    requests: withQuery('/v2/audit-logs', [
      'execution_id=555',
      `service_id=${BUSY_SERVICE}`,
      `service_id=${QUIET_SERVICE}`,
      'playbook_id=3',
      'action_type=config_changed',
      'action_type=step_completed',
      'action_type=approved',
      'actor=key:operator-3',
      'actor=nobody',
      'action_type=step_completed&actor=key:operator-3',
      ...PERIODS,
      NARROW,
    ]),
  },
  {
    list: '/v2/snapshots',
    requests: withQuery('/v2/snapshots', [
      'service_id=5',
      'action_type=edit',
      'action_type=delete',
      ...PERIODS,
      NARROW,
    ]),
  },
  {
    list: '/v2/webhooks/{id}/deliveries',
    requests: [BUSY_WEBHOOK, 2].flatMap((id) =>
      withQuery(`/v2/webhooks/${id}/deliveries`, ['status=success', 'status=failed', 'status=pending']),
    ),
  },
  {
    list: '/v2/maintenance-windows',
    requests: withQuery('/v2/maintenance-windows', [
      'active_now=true',
      'active_now=false',
      'service_id=77',
      'service_id=77&active_now=true',
    ]),
  },
  {
    list: 'v1 /heartbeat',
    requests: withQuery('/heartbeat', [
      'maxCount=10',
      'heartbeat_name=Unknown',
      'service_name=Service%20100',
      'service_name=Unknown',
    ]),
  },
  {
    list: 'v1 /service',
    requests: ['/service?service_name=Service%20100', '/service?active=0', '/service/Unknown'],
  },
  { list: 'v1 /alerts', requests: ['/alerts', '/alerts?active=1'] },
  { list: 'v1 /service, all of them', requests: ['/service'], whole: true },
  { list: 'v1 /alerts?active=0, all of them', requests: ['/alerts?active=0'], whole: true },
];

function daysAgo(days: number): string {
  return new Date(performance.timeOrigin - days * 86_400_000).toISOString();
}
