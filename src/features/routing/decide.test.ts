import { describe, expect, test } from 'vitest';
import { type DefaultRoute, decide, type Earlier, type Occasion } from './decide.ts';

const ROUTE: DefaultRoute = { slackToken: 'xoxb', slackChannel: 'C1', pagerDutyKey: 'key' };
const SLACK = { channel: 'slack', destination: 'C1', address: { channel_id: 'C1' } };
const PAGER = { channel: 'pagerduty', destination: 'default', address: { routing_key: 'key' } };

const was = (base: typeof SLACK | typeof PAGER, event: string, status: string, attempts = 1): Earlier => ({
  ...base,
  identity: JSON.stringify(base.address),
  event,
  status,
  attempts,
});
const on = (event: Occasion['event'], earlier: Earlier[] = [], muted = false, route = ROUTE) =>
  decide({ event, muted, earlier }, route).map((one) => `${one.channel} ${one.event} ${one.status}`);

describe('an opening', () => {
  test('goes to Slack and PagerDuty', () => {
    expect(decide({ event: 'opened', muted: false, earlier: [] }, ROUTE)).toEqual([
      { ...SLACK, event: 'opened', status: 'pending', reason: null },
      { ...PAGER, event: 'opened', status: 'pending', reason: null },
    ]);
  });

  test.each([
    ['no token', { slackToken: undefined }, 'no Slack token is configured'],
    ['no channel', { slackChannel: undefined }, 'no Slack channel is configured'],
  ])('skips Slack with the reason: %s', (_case, missing, reason) => {
    const [slack] = decide({ event: 'opened', muted: false, earlier: [] }, { ...ROUTE, ...missing });
    expect(slack).toMatchObject({ status: 'skipped', reason });
  });

  test.each([undefined, '', ' ', 'NULL', 'null'])('never sends the routing key %j', (pagerDutyKey) => {
    const decisions = decide({ event: 'opened', muted: false, earlier: [] }, { ...ROUTE, pagerDutyKey });
    expect(decisions[1]).toMatchObject({ status: 'skipped', address: { routing_key: '' } });
  });
});

describe('a reminder', () => {
  test('goes to Slack, not to PagerDuty, which repeats by itself', () => {
    expect(on('reminder', [was(PAGER, 'opened', 'success')])).toEqual(['slack reminder pending']);
    expect(on('reminder', [was(PAGER, 'opened', 'retrying')])).toEqual(['slack reminder pending']);
  });

  test('writes a new trigger when none was accepted and none is on its way', () => {
    const both = ['slack reminder pending', 'pagerduty opened pending'];
    expect(on('reminder', [was(PAGER, 'opened', 'failed', 5)])).toEqual(both);
    expect(on('reminder', [was(PAGER, 'opened', 'skipped', 0)])).toEqual(both);
  });

  test('records nothing for what is not configured', () => {
    const nothing = { slackToken: undefined, slackChannel: undefined, pagerDutyKey: undefined };
    expect(on('reminder', [], false, nothing)).toEqual([]);
  });
});

describe('an acknowledgement', () => {
  test('goes to PagerDuty when there is an incident', () => {
    expect(on('acknowledged', [was(SLACK, 'opened', 'success'), was(PAGER, 'opened', 'success')])).toEqual([
      'pagerduty acknowledged pending',
    ]);
    expect(on('acknowledged', [was(PAGER, 'opened', 'failed')])).toEqual([]);
    expect(on('acknowledged', [was(PAGER, 'opened', 'skipped', 0)])).toEqual([]);
  });
});

describe('the end of an alert', () => {
  const told = [was(SLACK, 'opened', 'success'), was(PAGER, 'opened', 'success')];

  test('is told wherever its beginning was, whatever is configured now', () => {
    const gone = { slackToken: undefined, slackChannel: undefined, pagerDutyKey: undefined };
    const both = ['slack recovered pending', 'pagerduty recovered pending'];
    expect(on('recovered', told, false, gone)).toEqual(both);
    expect(on('closed', told)).toEqual(['slack closed pending', 'pagerduty closed pending']);
  });

  test('is resolved at PagerDuty but not told in Slack while muted', () => {
    expect(on('recovered', told, true)).toEqual(['pagerduty recovered pending']);
  });

  test('is told to nobody when its beginning was not', () => {
    expect(on('recovered', [])).toEqual([]);
    expect(on('recovered', [was(SLACK, 'opened', 'skipped', 0), was(PAGER, 'opened', 'skipped', 0)])).toEqual(
      [],
    );
  });

  test('cancels the resolve of a trigger that was never attempted', () => {
    expect(on('recovered', [was(PAGER, 'opened', 'cancelled', 0)])).toEqual([
      'pagerduty recovered cancelled',
    ]);
  });

  test('resolves once for several triggers, as soon as one was attempted', () => {
    const triggers = [was(PAGER, 'opened', 'failed', 5), was(PAGER, 'opened', 'cancelled', 0)];
    expect(on('recovered', triggers)).toEqual(['pagerduty recovered pending']);
  });

  test('resolves the incidents of each key, however its credential is sealed', () => {
    const sealed = (address: string, identity: string) => ({
      ...was(PAGER, 'opened', 'success'),
      address: { routing_key: address },
      identity,
    });
    const earlier = [sealed('v1:a', 'one'), sealed('v1:b', 'one'), sealed('v1:c', 'two')];
    const decisions = decide({ event: 'recovered', muted: false, earlier }, ROUTE);
    expect(decisions.map(({ address }) => address.routing_key)).toEqual(['v1:a', 'v1:c']);
  });

  test('reaches a Slack channel once, reminders included, cancelled reminders not', () => {
    const other = { ...SLACK, destination: 'C2', address: { channel_id: 'C2' } };
    const earlier = [
      was(SLACK, 'opened', 'failed', 5),
      was(SLACK, 'reminder', 'success'),
      was(other, 'reminder', 'cancelled', 0),
    ];
    expect(on('recovered', earlier)).toEqual(['slack recovered pending']);
  });
});
