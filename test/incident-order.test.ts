import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;

beforeEach(async () => {
  medic = await startTestMedic();
  await medic.call('POST', '/v2/services', {
    heartbeat_name: 'checkout',
    service_name: 'Checkout',
    alert_interval_seconds: 604_800,
  });
});
afterEach(() => medic.close());

const report = async (status: string) => {
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'checkout', status });
  await medic.settle();
};
const pages = () => medic.pagerDuty.events.map((event) => event.event_action);
const statuses = async (id: number) =>
  (await medic.call('GET', `/v2/alerts/${id}`)).body.results.notifications
    .filter(({ channel }: { channel: string }) => channel === 'pagerduty')
    .map(({ event, status }: { event: string; status: string }) => `${event} ${status}`);
const refuse = () => {
  medic.pagerDuty.answer = () => ({ status: 500, body: '{}' });
};
const accept = () => {
  medic.pagerDuty.answer = () => ({ status: 202, body: '{}' });
};

test('a resolve that could not be delivered does not end the incident of the next failure', async () => {
  await report('DOWN');
  refuse();
  await report('UP');
  accept();
  await report('DOWN');
  await medic.advance('15m');
  expect(pages()).toEqual(['trigger', 'resolve', 'trigger']);
  expect(await statuses(1)).toEqual(['opened success', 'recovered cancelled']);

  await report('UP');
  expect(pages().at(-1)).toBe('resolve');
  expect(await statuses(2)).toEqual(['opened success', 'recovered success']);
});

test('a trigger that could not be delivered does not outlive the incident of the next failure', async () => {
  refuse();
  await report('DOWN');
  await report('UP');
  accept();
  await report('DOWN');
  await report('UP');
  await medic.advance('15m');
  expect(pages()).toEqual(['trigger', 'trigger', 'resolve']);
  expect(await statuses(1)).toEqual(['opened cancelled', 'recovered cancelled']);
});

test('while the next alert is muted, the resolve of the one before is still delivered', async () => {
  await report('DOWN');
  refuse();
  await report('UP');
  accept();
  await medic.call('POST', '/v2/services/1/mute', {});
  await report('DOWN');
  await medic.advance('15m');
  expect(pages()).toEqual(['trigger', 'resolve', 'resolve']);
});
