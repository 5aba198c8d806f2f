import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;

beforeEach(async () => {
  medic = await startTestMedic();
});
afterEach(() => medic.close());

async function scrape(accept?: string): Promise<string> {
  const response = await fetch(`${medic.url}/metrics`, accept === undefined ? {} : { headers: { accept } });
  expect(response.status).toBe(200);
  return response.text();
}

async function failAndRecover(): Promise<void> {
  await medic.call('POST', '/service', {
    heartbeat_name: 'api',
    service_name: 'Api',
    alert_interval: 1,
    priority: 'p2',
  });
  await medic.advance('61s');
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'api', status: 'UP' });
  await medic.settle();
}

test('series with known label values exist from the start with 0', async () => {
  const page = await scrape();
  for (const line of [
    'medic_pagerduty_requests_total{action="trigger",status="success"} 0',
    'medic_pagerduty_requests_total{action="acknowledge",status="failure"} 0',
    'medic_slack_requests_total{status="failure"} 0',
    'medic_notifications_pending{channel="slack"} 0',
    'medic_alerts_active 0',
    'medic_alerts_resolved_total 0',
    'medic_db_connection_errors_total 0',
  ]) {
    expect(page).toContain(`\n${line}\n`);
  }
});

test('an alert and its recovery are counted where the specification says', async () => {
  await failAndRecover();
  const page = await scrape();
  for (const line of [
    'medic_alerts_total{priority="p2",team="site-reliability"} 1',
    'medic_alerts_resolved_total 1',
    'medic_alerts_active 0',
    'medic_alert_detection_delay_seconds_count 1',
    'medic_heartbeats_total{heartbeat_name="api",status="UP"} 1',
    'medic_registered_services 1',
    'medic_active_services 1',
    'medic_services_muted 0',
    'medic_pagerduty_requests_total{action="resolve",status="success"} 1',
    'medic_slack_requests_total{status="success"} 2',
    'medic_notifications_total{channel="pagerduty",event="opened",status="success"} 1',
    'medic_http_server_request_total{method="POST",route="/heartbeat",status_code="201",service_name="medic"} 1',
    'medic_health_status{component="database"} 1',
  ]) {
    expect(page).toContain(`\n${line}\n`);
  }
});

test('unknown paths are counted as unmatched, never under their own name', async () => {
  await medic.call('GET', '/secret/path-of-a-caller');
  const page = await scrape();
  expect(page).toContain('route="unmatched",status_code="404"');
  expect(page).not.toContain('path-of-a-caller');
});

test('OpenMetrics is given to those who ask for it', async () => {
  await failAndRecover();
  const page = await scrape('application/openmetrics-text; version=1.0.0');
  expect(page).toContain('# TYPE medic_alerts_resolved counter\nmedic_alerts_resolved_total 1\n');
  expect(page.endsWith('# EOF\n')).toBe(true);
  expect(page).not.toContain('\n\n');
});

test('gauges are the same on a second process, counters are its own', async () => {
  await medic.call('POST', '/service', { heartbeat_name: 'api', service_name: 'Api', alert_interval: 1 });
  await medic.advance('61s');
  const other = medic.another();
  const { page } = await other.metrics.expose(undefined, medic.db);
  expect(page).toContain('medic_alerts_active 1\n');
  expect(page).not.toContain('medic_alerts_total{');
});

test('health tells the components and nothing secret', async () => {
  const { status, body } = await medic.call('GET', '/health');
  expect(status).toBe(200);
  expect(body).toEqual({
    status: 'degraded',
    timestamp: medic.clock.now().toISOString(),
    version: expect.any(String),
    runtime_version: process.version,
    components: {
      database: { status: 'healthy', latency_ms: expect.any(Number) },
      redis: { status: 'not_configured' },
      worker: { status: 'unhealthy', last_seen: null },
      slack: { status: 'configured', token_set: true, channel_set: true },
      pagerduty: { status: 'configured', routing_key_set: true },
    },
  });
  expect((await medic.call('GET', '/health/live')).body).toMatchObject({ status: 'alive' });
  expect((await medic.call('GET', '/health/ready')).body).toMatchObject({
    status: 'ready',
    database: 'healthy',
  });
  const network = await medic.call('GET', '/v1/healthcheck/network');
  expect([network.status, network.body]).toEqual([204, '']);
});

test('no secret is ever logged: not in a whole life of an alert with failing receivers', async () => {
  medic.slack.answer = () => ({ status: 500, body: 'xoxb-test' });
  medic.pagerDuty.answer = () => ({ status: 400, body: 'default-routing-key' });
  await failAndRecover();
  await medic.advance('20m');
  const { body } = await medic.call('GET', '/v2/services');
  const log = JSON.stringify(medic.lines);
  expect(medic.lines.length).toBeGreaterThan(10);
  for (const secret of ['xoxb-test', 'default-routing-key', body.results.entries[0].ping_key]) {
    expect(log).not.toContain(secret);
  }
});

test('the request log has the documented members and the id that the answer carries', async () => {
  const response = await medic.fetch('/v2/services', { headers: { 'x-request-id': 'my-id.1' } });
  expect(response.headers.get('x-request-id')).toBe('my-id.1');
  expect(medic.lines).toContainEqual(
    expect.objectContaining({
      level: 'INFO',
      logger: 'medic.http',
      request_id: 'my-id.1',
      api_key_id: 1,
      api_key_name: 'admin',
      api_key_scopes: ['read', 'write', 'admin'],
      method: 'GET',
      route: '/v2/services',
      status_code: 200,
      duration_ms: expect.any(Number),
    }),
  );
  const forged = await medic.fetch('/v2/services', { headers: { 'x-request-id': 'a b"}' } });
  expect(forged.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
});
