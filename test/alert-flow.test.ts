import { afterEach, beforeEach, expect, test } from 'vitest';
import { START, startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;

beforeEach(async () => {
  medic = await startTestMedic();
});
afterEach(() => medic.close());

async function register(fields: Record<string, unknown> = {}): Promise<number> {
  const { status, body } = await medic.call('POST', '/v2/services', {
    heartbeat_name: 'checkout',
    service_name: 'Checkout',
    alert_interval_seconds: 60,
    ...fields,
  });
  expect(status, JSON.stringify(body)).toBe(201);
  return body.results.service_id;
}

async function beat(status = 'UP', more: Record<string, unknown> = {}): Promise<void> {
  const answer = await medic.call('POST', '/heartbeat', { heartbeat_name: 'checkout', status, ...more });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
}

async function alert(
  id = 1,
): Promise<Record<string, unknown> & { notifications: Record<string, unknown>[] }> {
  return (await medic.call('GET', `/v2/alerts/${id}`)).body.results;
}

const pages = () => medic.pagerDuty.events.map((event) => event.event_action);
const texts = () => medic.slack.messages.map((message) => message.text);

test('a service that keeps reporting is never alerted', async () => {
  await register();
  for (let minute = 0; minute < 10; minute += 1) {
    await beat();
    await medic.advance('60s');
  }
  expect(pages()).toEqual([]);
  expect(texts()).toEqual([]);
});

test('a service that falls silent pages PagerDuty and Slack at its deadline', async () => {
  await register({
    grace_period_seconds: 30,
    priority: 'p1',
    runbook: 'https://runbooks.example.com/checkout',
  });
  await beat();
  await medic.advance('90s');
  expect(pages()).toEqual([]);
  await medic.advance('1s');

  expect(medic.pagerDuty.events).toEqual([
    {
      routing_key: 'default-routing-key',
      event_action: 'trigger',
      dedup_key: 'medic-checkout',
      payload: {
        summary: 'Medic - Heartbeat failure for checkout',
        source: 'medic',
        component: 'checkout',
        group: 'site-reliability',
        severity: 'critical',
        class: 'heartbeat_failure',
        custom_details: {
          service_name: 'Checkout',
          heartbeat_name: 'checkout',
          team: 'site-reliability',
          priority: 'p1',
          reason: 'missed_heartbeat',
          alert_id: 1,
          alert_url: 'https://medic.example.com/ui/alerts/1',
        },
      },
      client: 'Medic Heartbeat Monitor',
      client_url: 'https://medic.example.com',
      links: [{ href: 'https://runbooks.example.com/checkout', text: 'Runbook' }],
    },
  ]);
  expect(medic.slack.messages[0]?.channel).toBe('C-DEFAULT');
  expect(medic.slack.received[0]?.headers.authorization).toBe('Bearer xoxb-test');
  for (const part of [
    ':broken_heart:',
    '`checkout`',
    '`Checkout`',
    'being routed to',
    'Last heartbeat: 2040-03-01 12:00:00 UTC',
  ]) {
    expect(texts()[0]).toContain(part);
  }
  expect(await alert()).toMatchObject({
    active: true,
    alert_cycle: 1,
    kind: 'service',
    reason: 'missed_heartbeat',
    external_reference_id: 'medic-checkout',
    created_date: '2040-03-01T12:01:30.101Z',
  });
  const service = await medic.call('GET', '/v2/services/1');
  expect(service.body.results).toMatchObject({
    state: 'down',
    down: true,
    active_alert_id: 1,
    overdue_at: null,
  });
});

test('a service that was never seen is alerted once after its first deadline', async () => {
  await register();
  await medic.advance('61s');
  expect(pages()).toEqual(['trigger']);
  expect(texts()[0]).toContain('It has never reported.');
});

test('the timeline of the specification: reminders, a report in between, recovery', async () => {
  await register({ grace_period_seconds: 30 });
  await beat();
  await medic.advance('91s');
  expect(await alert()).toMatchObject({ alert_cycle: 1 });
  await medic.advance('60s');
  expect(await alert()).toMatchObject({ alert_cycle: 2 });
  expect(texts()).toHaveLength(2);
  expect(texts()[1]).toContain('has been routed to');
  expect(texts()[1]).toContain('failure cycle 2');

  await medic.advance('19s');
  await beat('DOWN', { message: 'disk full <!channel>' });
  await medic.settle();
  expect(await alert()).toMatchObject({ alert_cycle: 3, last_message: 'disk full <!channel>' });
  expect(texts()).toHaveLength(2);

  await medic.advance('59s');
  expect(texts()).toHaveLength(2);
  await medic.advance('2s');
  expect(await alert()).toMatchObject({ alert_cycle: 4 });
  expect(texts()).toHaveLength(3);
  expect(texts()[2]).toContain('failure cycle 4');
  expect(texts()[2]).toContain('disk full &lt;!channel&gt;');

  await medic.advance('19s');
  await beat('UP');
  await medic.settle();
  expect(pages()).toEqual(['trigger', 'resolve']);
  expect(texts()).toHaveLength(4);
  expect(texts()[3]).toContain(':green_heart:');
  expect(await alert()).toMatchObject({ active: false, close_reason: 'recovered' });
  expect((await medic.call('GET', '/v2/services/1')).body.results).toMatchObject({
    state: 'up',
    down: false,
  });
});

test('PagerDuty is resolved with the key of its trigger, and the next failure is a new alert', async () => {
  await register();
  await medic.advance('61s');
  await beat();
  await medic.settle();
  expect(medic.pagerDuty.events[1]).toEqual({
    routing_key: 'default-routing-key',
    event_action: 'resolve',
    dedup_key: 'medic-checkout',
  });
  await medic.advance('61s');
  expect(pages()).toEqual(['trigger', 'resolve', 'trigger']);
  expect(await alert(1)).toMatchObject({ active: false });
  expect(await alert(2)).toMatchObject({ active: true, alert_cycle: 1 });
});

test('with a threshold of three, one sign of life does not recover the service', async () => {
  await register({ threshold: 3, alert_interval_seconds: 300 });
  await medic.advance('301s');
  expect(await alert()).toMatchObject({ active: true });
  for (const expected of [true, true, false]) {
    await beat();
    expect(await alert()).toMatchObject({ active: expected });
    await medic.advance('10s');
  }
});

test('a failure report alerts at once, without waiting for deadline or grace', async () => {
  await register({ grace_period_seconds: 3600 });
  await beat('UP');
  await beat('failed', { run_id: 'run-7', message: 'exit code 3' });
  await medic.settle();
  expect(await alert()).toMatchObject({
    alert_name: 'Medic - Job failed for checkout',
    reason: 'job_failed',
    run_id: 'run-7',
    last_message: 'exit code 3',
  });
  expect(medic.pagerDuty.events[0]?.payload).toMatchObject({
    class: 'job_failed',
    custom_details: { run_id: 'run-7', message: 'exit code 3' },
  });
});

test('STARTED does not clear a reported failure, COMPLETED does', async () => {
  await register();
  await beat('DOWN');
  await beat('STARTED');
  expect(await alert()).toMatchObject({ active: true });
  await beat('COMPLETED');
  expect(await alert()).toMatchObject({ active: false, close_reason: 'recovered' });
});

test('several failure reports are one alert, and reminders because of them are a minute apart', async () => {
  await register({ alert_interval_seconds: 3600 });
  for (let report = 0; report < 5; report += 1) {
    await beat('DOWN');
    await medic.advance('10s');
  }
  expect(await alert()).toMatchObject({ alert_cycle: 5 });
  expect(texts()).toHaveLength(1);
  await medic.advance('10s');
  await beat('DOWN');
  await medic.settle();
  expect(texts()).toHaveLength(2);
  expect(texts()[1]).toContain('failure cycle 6');
  expect((await alert()).history).toMatchObject([
    { event: 'opened', suppressed: null },
    ...Array.from({ length: 4 }, () => ({ event: 'reminder', suppressed: 'too_soon' })),
    { event: 'reminder', suppressed: null },
  ]);
});

test('periods that passed while no worker ran are counted together with one reminder', async () => {
  await register();
  await medic.advance('61s');
  medic.clock.advance(10 * 60_000);
  await medic.settle();
  expect(await alert()).toMatchObject({ alert_cycle: 11 });
  expect(texts()).toHaveLength(2);
});

test('a muted service is alerted silently, and announced when the mute ends', async () => {
  const id = await register();
  const muted = await medic.call('POST', `/v2/services/${id}/mute`, { duration: '5m', reason: 'deploy' });
  expect(muted.body.results).toMatchObject({
    muted: true,
    mute_reason: 'deploy',
    mute_until: '2040-03-01T12:05:00.000Z',
  });
  await medic.advance('200s');
  expect(await alert()).toMatchObject({ active: true, alert_cycle: 3, notifications: [] });
  expect(texts()).toEqual([]);
  await medic.advance('101s');
  expect(pages()).toEqual(['trigger']);
  expect(texts()[0]).toContain('being routed to');
  expect((await medic.call('GET', `/v2/services/${id}`)).body.results).toMatchObject({
    muted: false,
    mute_until: null,
  });
});

test('a recovery while muted resolves PagerDuty, leaves Slack quiet and ends the mute', async () => {
  const id = await register();
  await medic.advance('61s');
  await medic.call('POST', `/v2/services/${id}/mute`, {});
  await beat();
  await medic.settle();
  expect(pages()).toEqual(['trigger', 'resolve']);
  expect(texts()).toHaveLength(1);
  expect((await medic.call('GET', `/v2/services/${id}`)).body.results.muted).toBe(false);
});

test('unmuting an alert that was announced before reminds of it', async () => {
  const id = await register();
  await medic.advance('61s');
  await medic.call('POST', `/v2/services/${id}/mute`, { duration: 3600 });
  await medic.advance('120s');
  expect(texts()).toHaveLength(1);
  await medic.call('POST', `/v2/services/${id}/unmute`, {});
  await medic.settle();
  expect(texts()).toHaveLength(2);
  expect(texts()[1]).toContain('has been routed to');
  expect(pages()).toEqual(['trigger']);
});

test('an acknowledged alert goes on counting without reminders, and recovers as usual', async () => {
  await register();
  await medic.advance('61s');
  const first = await medic.call('POST', '/v2/alerts/1/acknowledge', { comment: 'looking' });
  expect(first.body.results).toMatchObject({ acknowledged_by: 'admin' });
  const again = await medic.call('POST', '/v2/alerts/1/acknowledge', {});
  expect(again.status).toBe(200);
  expect(again.body.results.acknowledged_at).toBe(first.body.results.acknowledged_at);
  await medic.advance('180s');
  expect(pages()).toEqual(['trigger', 'acknowledge']);
  expect(texts()).toHaveLength(1);
  expect(await alert()).toMatchObject({ alert_cycle: 4 });
  await beat();
  await medic.settle();
  expect(pages()).toEqual(['trigger', 'acknowledge', 'resolve']);
  expect((await medic.call('POST', '/v2/alerts/1/acknowledge', {})).status).toBe(409);
});

test('deactivating a failing service closes its alert everywhere', async () => {
  const id = await register();
  await medic.advance('61s');
  await medic.call('PATCH', `/v2/services/${id}`, { active: false });
  await medic.settle();
  expect(await alert()).toMatchObject({ active: false, close_reason: 'deactivated' });
  expect(pages()).toEqual(['trigger', 'resolve']);
  expect(texts()[1]).toContain(':white_circle:');
  await medic.advance('1h');
  expect(pages()).toHaveLength(2);
  expect((await medic.call('GET', `/v2/services/${id}`)).body.results).toMatchObject({
    state: 'inactive',
    overdue_at: null,
  });

  await medic.call('PATCH', `/v2/services/${id}`, { active: true });
  await medic.advance('59s');
  expect(pages()).toHaveLength(2);
  await medic.advance('2s');
  expect(pages()).toHaveLength(3);
});

test('deleting a failing service resolves its incident and keeps the alert with its names', async () => {
  const id = await register({ team: 'payments' });
  await medic.advance('61s');
  expect((await medic.call('DELETE', `/v2/services/${id}`)).status).toBe(200);
  await medic.settle();
  expect(pages()).toEqual(['trigger', 'resolve']);
  expect(await alert()).toMatchObject({
    active: false,
    close_reason: 'deleted',
    heartbeat_name: 'checkout',
    team: 'payments',
  });
  expect((await medic.call('GET', `/v2/services/${id}`)).status).toBe(404);
  expect((await medic.call('GET', '/heartbeat?heartbeat_name=checkout')).body.results).toEqual([]);
});

test('an edit of the expectation gives one whole new period, an edit of the grace does not', async () => {
  const id = await register({ alert_interval_seconds: 600 });
  await medic.advance('300s');
  const shorter = await medic.call('PATCH', `/v2/services/${id}`, { alert_interval_seconds: 60 });
  expect(shorter.body.results).toMatchObject({
    monitoring_since: '2040-03-01T12:05:00.000Z',
    overdue_at: '2040-03-01T12:06:00.000Z',
  });
  await medic.advance('50s');
  const longer = await medic.call('PATCH', `/v2/services/${id}`, { grace_period_seconds: 30 });
  expect(longer.body.results).toMatchObject({
    monitoring_since: '2040-03-01T12:05:00.000Z',
    overdue_at: '2040-03-01T12:06:30.000Z',
  });
  await medic.advance('39s');
  expect(pages()).toEqual([]);
  await medic.advance('2s');
  expect(pages()).toEqual(['trigger']);
});

test('an unreachable Slack delays nothing else and is retried on schedule', async () => {
  medic.slack.answer = () => ({ status: 500, body: 'oops' });
  await register({ alert_interval_seconds: 7200 });
  await medic.advance('7201s');
  expect(pages()).toEqual(['trigger']);
  expect(medic.slack.received).toHaveLength(1);
  for (const [wait, attempts] of [
    ['1s', 2],
    ['5s', 3],
    ['30s', 4],
    ['10m', 5],
  ] as const) {
    await medic.advance(wait);
    expect(medic.slack.received).toHaveLength(attempts);
  }
  await medic.advance('1h');
  expect(medic.slack.received).toHaveLength(5);
  const { notifications } = await alert();
  expect(notifications.find((one) => one.channel === 'slack')).toMatchObject({
    status: 'failed',
    attempts: 5,
    response_code: 500,
  });
  const failures = medic.lines.filter((line) => line.message === 'a notification could not be delivered');
  expect(failures).toMatchObject([{ level: 'ERROR', alert_id: 1, channel: 'slack' }]);
});

test('what cannot heal is not retried', async () => {
  medic.slack.answer = () => ({
    status: 200,
    body: JSON.stringify({ ok: false, error: 'channel_not_found' }),
  });
  medic.pagerDuty.answer = () => ({ status: 400, body: '{"status":"invalid event"}' });
  await register({ alert_interval_seconds: 7200 });
  await medic.advance('7300s');
  expect(medic.slack.received).toHaveLength(1);
  expect(medic.pagerDuty.received).toHaveLength(1);
  expect((await alert()).notifications).toMatchObject([
    { channel: 'slack', status: 'failed', error: 'channel_not_found' },
    { channel: 'pagerduty', status: 'failed', response_code: 400 },
  ]);
});

test('a PagerDuty trigger that failed for good is written anew with the next reminder', async () => {
  medic.pagerDuty.answer = () => ({ status: 400, body: '{}' });
  await register();
  await medic.advance('61s');
  medic.pagerDuty.answer = () => ({ status: 202, body: '{}' });
  await medic.advance('60s');
  expect(pages()).toEqual(['trigger', 'trigger']);
  await medic.advance('60s');
  expect(pages()).toEqual(['trigger', 'trigger']);
  expect(await alert()).toMatchObject({ external_reference_id: 'medic-checkout' });
});

test('a longer Retry-After is obeyed', async () => {
  medic.pagerDuty.answer = () => ({ status: 429, body: '{}', headers: { 'retry-after': '45' } });
  await register({ alert_interval_seconds: 7200 });
  await medic.advance('7201s');
  await medic.advance('44s');
  expect(medic.pagerDuty.received).toHaveLength(1);
  await medic.advance('2s');
  expect(medic.pagerDuty.received).toHaveLength(2);
});

test('a recovery waits for its opening, and reminders that are still pending are cancelled', async () => {
  medic.slack.answer = () => ({ status: 503, body: '' });
  await register();
  await medic.advance('130s');
  await beat();
  await medic.settle();
  expect((await alert()).notifications.filter((one) => one.channel === 'slack')).toMatchObject([
    { event: 'opened', status: 'retrying' },
    { event: 'reminder', status: 'cancelled' },
    { event: 'recovered', status: 'pending', attempts: 0 },
  ]);
  medic.slack.answer = () => ({ status: 200, body: '{"ok":true,"ts":"1.1"}' });
  await medic.advance('11m');
  // The service is silent again by then: that alert comes after this one's opening and recovery.
  const ofFirst = (await alert()).notifications.filter((one) => one.channel === 'slack');
  expect(ofFirst.map((one) => one.status)).toEqual(['success', 'cancelled', 'success']);
});

test('a trigger that was never attempted is cancelled together with its resolve', async () => {
  await register();
  medic.clock.advance(61_000);
  await medic.detect();
  await beat();
  await medic.settle();
  expect(pages()).toEqual([]);
  expect((await alert()).notifications.filter((one) => one.channel === 'pagerduty')).toMatchObject([
    { event: 'opened', status: 'cancelled' },
    { event: 'recovered', status: 'cancelled' },
  ]);
  expect(texts()).toHaveLength(2);
});

test('unconfigured destinations are recorded as skipped with the reason', async () => {
  await medic.close();
  medic = await startTestMedic({ SLACK_API_TOKEN: '', PAGERDUTY_ROUTING_KEY: 'NULL' });
  await register();
  await medic.advance('130s');
  expect((await alert()).notifications).toMatchObject([
    { channel: 'slack', status: 'skipped', error: 'no Slack token is configured' },
    { channel: 'pagerduty', status: 'skipped', error: 'no PagerDuty routing key is configured' },
  ]);
  await beat();
  await medic.settle();
  expect((await alert()).notifications).toHaveLength(2);
  expect(medic.slack.received).toHaveLength(0);
});

test('messages cannot mention anyone or forge links', async () => {
  await register({ service_name: '<!here> `boom` <https://evil.example|click> & co' });
  await medic.advance('61s');
  expect(texts()[0]).toContain('`&lt;!here&gt; boom &lt;https://evil.example|click&gt; &amp; co`');
});

test('heartbeats of names that differ only in case are one service', async () => {
  await register({ heartbeat_name: 'Straße-Σίσυφος' });
  const answer = await medic.call('POST', '/heartbeat', { heartbeat_name: 'STRASSE-ΣΊΣΥΦΟΣ', status: 'Up' });
  expect(answer.status).toBe(201);
  const clash = await medic.call('POST', '/v2/services', {
    heartbeat_name: 'straße-σίσυφος',
    service_name: 'x',
    alert_interval: 1,
  });
  expect(clash.status).toBe(409);
  expect(medic.clock.now().toISOString()).toBe(START);
});
