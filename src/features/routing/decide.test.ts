import { describe, expect, test } from 'vitest';
import { decide, type Occasion, type Routes } from './decide.ts';
import type { Decision, Place } from './decision.ts';
import type { DefaultRoute, Target, Webhook } from './destination.ts';
import type { Earlier } from './earlier.ts';

const NONE = { identity: '', targetId: null, webhookId: null };
const SLACK: Place = { ...NONE, channel: 'slack', destination: 'C1', address: { channel_id: 'C1' } };
const PAGER: Place = {
  ...NONE,
  channel: 'pagerduty',
  destination: 'default',
  address: { routing_key: 'key' },
};
const ROUTE: DefaultRoute = { slackToken: 'xoxb', slackChannel: 'C1', pagerDutyKey: 'key' };
const NOTHING: DefaultRoute = { slackToken: undefined, slackChannel: undefined, pagerDutyKey: undefined };

const routes = (given: Partial<Routes> = {}): Routes => ({
  defaultRoute: ROUTE,
  mode: 'notify_all',
  duringHours: true,
  targets: [],
  webhooks: [],
  ...given,
});
const occasion = (event: Occasion['event'], given: Partial<Occasion> = {}): Occasion => ({
  event,
  muted: false,
  suppressed: null,
  earlier: [],
  told: null,
  trying: false,
  ...given,
});
const place = (channel: string, id: number): Place => ({
  channel,
  destination: `${channel}-${id}`,
  address: { digest: `${channel}-${id}` },
  identity: `${channel}-${id}`,
  targetId: id,
  webhookId: null,
});
const target = (id: number, given: Partial<Target> = {}): Target => ({
  ...place(given.channel ?? 'slack', id),
  enabled: true,
  period: 'always',
  ...given,
});
const webhook = (id: number, enabled = true): Webhook => ({
  ...place('webhook', id),
  targetId: null,
  webhookId: id,
  enabled,
});
const was = (of: Place, event: string, status: string, attempts = 1, chained = false): Earlier => ({
  ...of,
  event,
  status,
  attempts,
  chained,
});
const shown = ({ channel, targetId, webhookId, event, outcome, reason }: Decision) => {
  const id = targetId === null ? (webhookId === null ? '' : ` w${webhookId}`) : ` t${targetId}`;
  return `${channel}${id} ${event}: ${outcome === 'send' ? 'send' : `${outcome}, ${reason}`}`;
};
const verdict = (event: Occasion['event'], on: Partial<Occasion> = {}, to: Partial<Routes> = {}) =>
  decide(occasion(event, on), routes(to)).decisions.map(shown);

describe('an opening by the default route', () => {
  test('goes to Slack and PagerDuty', () => {
    expect(decide(occasion('opened'), routes()).decisions).toEqual([
      { ...SLACK, event: 'opened', outcome: 'send', reason: 'sent' },
      { ...PAGER, event: 'opened', outcome: 'send', reason: 'sent' },
    ]);
  });

  test.each([
    ['no token', { slackToken: undefined }, 'no Slack token is configured'],
    ['no channel', { slackChannel: undefined }, 'no Slack channel is configured'],
  ])('skips Slack with what is missing: %s', (_case, missing, note) => {
    const [slack] = decide(occasion('opened'), routes({ defaultRoute: { ...ROUTE, ...missing } })).decisions;
    expect(slack).toMatchObject({ outcome: 'skip', reason: 'not_configured', note });
  });

  test.each([undefined, '', ' ', 'NULL', 'null'])('never sends the routing key %j', (pagerDutyKey) => {
    const { decisions } = decide(occasion('opened'), routes({ defaultRoute: { ...ROUTE, pagerDutyKey } }));
    expect(decisions[1]).toMatchObject({ outcome: 'skip', address: { routing_key: '' } });
  });
});

describe('an opening with targets', () => {
  const working = target(1, { period: 'during_hours' });
  const night = target(2, { period: 'after_hours' });

  test.each([
    [true, ['slack t1 opened: send', 'slack t2 opened: skip, only_after_hours']],
    [false, ['slack t2 opened: send', 'slack t1 opened: skip, outside_hours']],
  ])('goes to those of the period; during working hours: %s', (duringHours, expected) => {
    const unused = ['slack opened: skip, service_has_targets', 'pagerduty opened: skip, service_has_targets'];
    expect(verdict('opened', {}, { targets: [working, night], duringHours })).toEqual([
      ...expected,
      ...unused,
    ]);
  });

  test('goes to nobody when none is for this period, deliberately', () => {
    const { decisions, quiet } = decide(
      occasion('opened'),
      routes({
        targets: [working, target(3, { enabled: false })],
        webhooks: [webhook(9)],
        duringHours: false,
      }),
    );
    expect(quiet).toBe(true);
    expect(decisions.filter(({ outcome }) => outcome === 'send').map(shown)).toEqual([
      'webhook w9 opened: send',
    ]);
  });

  test('takes the default route when all of them are disabled', () => {
    const { decisions, quiet } = decide(
      occasion('opened'),
      routes({ targets: [target(1, { enabled: false })] }),
    );
    expect(quiet).toBe(false);
    expect(decisions.map(shown)).toEqual([
      'slack t1 opened: skip, disabled',
      'slack opened: send',
      'pagerduty opened: send',
    ]);
  });

  test('reaches one address once, but every webhook, which are told apart by more than that', () => {
    const twin = { ...target(2), identity: 'slack-1', destination: 'slack-1' };
    const hook = { ...webhook(8), identity: 'webhook-7' };
    const same = { targets: [target(1), twin], webhooks: [webhook(7), hook, webhook(9, false)] };
    expect(verdict('opened', {}, { ...same, defaultRoute: NOTHING })).toEqual([
      'webhook w7 opened: send',
      'webhook w8 opened: send',
      'webhook w9 opened: skip, disabled',
      'slack t1 opened: send',
      'slack t2 opened: skip, duplicate',
    ]);
  });

  test('leaves out a channel that can send nothing, with what is missing', () => {
    const { decisions } = decide(
      occasion('opened'),
      routes({ targets: [target(1, { unavailable: 'no token' })], defaultRoute: NOTHING }),
    );
    expect(decisions).toMatchObject([{ outcome: 'skip', reason: 'not_configured', note: 'no token' }]);
  });

  test('until one succeeds, asks the others only when those before them fail', () => {
    const targets = [
      target(3),
      target(1),
      target(5, { enabled: false }),
      target(4, { channel: 'pagerduty' }),
    ];
    expect(verdict('opened', {}, { mode: 'notify_until_success', targets, defaultRoute: NOTHING })).toEqual([
      'slack t3 opened: send',
      'slack t1 opened: wait, fallback',
      'pagerduty t4 opened: wait, fallback',
      'slack t5 opened: skip, disabled',
    ]);
  });
});

describe('a reminder', () => {
  test('goes to Slack, not to PagerDuty, which repeats by itself', () => {
    for (const status of ['success', 'retrying', 'pending']) {
      expect(verdict('reminder', { earlier: [was(PAGER, 'opened', status)] })).toEqual([
        'slack reminder: send',
        'pagerduty reminder: skip, incident_open',
      ]);
    }
  });

  test('writes a new trigger when none was accepted and none is on its way', () => {
    const both = ['slack reminder: send', 'pagerduty opened: send'];
    expect(verdict('reminder', { earlier: [was(PAGER, 'opened', 'failed', 5)] })).toEqual(both);
    expect(verdict('reminder', { earlier: [was(PAGER, 'opened', 'skipped', 0)] })).toEqual(both);
  });

  test('goes to every webhook', () => {
    const told = verdict('reminder', {}, { webhooks: [webhook(1), webhook(2)], defaultRoute: NOTHING });
    expect(told.slice(0, 2)).toEqual(['webhook w1 reminder: send', 'webhook w2 reminder: send']);
  });

  describe('of which one is enough', () => {
    const chain = {
      mode: 'notify_until_success' as const,
      targets: [target(1), target(2), target(3, { channel: 'pagerduty' })],
      defaultRoute: NOTHING,
    };

    test('goes to the one that took the last message, and on to the others when that fails', () => {
      expect(verdict('reminder', { told: 2 }, chain)).toEqual([
        'slack t2 reminder: send',
        'slack t1 reminder: wait, fallback',
        'pagerduty t3 opened: wait, fallback',
      ]);
    });

    test('goes to nobody while PagerDuty has the incident', () => {
      const earlier = [was(place('pagerduty', 3), 'opened', 'success')];
      expect(
        verdict('reminder', { told: 3, earlier }, chain).every((one) => one.endsWith('incident_open')),
      ).toBe(true);
    });

    test('begins anew when the one that took the last message is not for now, or none took one', () => {
      const [first] = verdict('reminder', { told: 9 }, chain);
      expect(first).toBe('slack t1 reminder: send');
      expect(verdict('reminder', {}, chain)[0]).toBe('slack t1 reminder: send');
    });

    test('is not sent while the one before is still looking for a target that takes it', () => {
      expect(verdict('reminder', { trying: true }, chain)[0]).toBe('slack t1 reminder: skip, still_trying');
    });
  });
});

describe('an acknowledgement', () => {
  test('goes to PagerDuty where it has an incident, and to every webhook', () => {
    const earlier = [was(SLACK, 'opened', 'success'), was(PAGER, 'opened', 'success')];
    expect(verdict('acknowledged', { earlier }, { webhooks: [webhook(1)] })).toEqual([
      'webhook w1 acknowledged: send',
      'slack acknowledged: skip, not_for_this_event',
      'pagerduty acknowledged: send',
    ]);
    expect(verdict('acknowledged', { earlier: [was(PAGER, 'opened', 'failed')] })).toEqual([
      'pagerduty acknowledged: skip, no_incident',
    ]);
    expect(verdict('acknowledged', { earlier: [was(PAGER, 'opened', 'skipped', 0)] })).toEqual([]);
  });
});

describe('what is told to nobody', () => {
  test.each(['muted', 'too_soon', 'acknowledged', 'in_maintenance'] as const)(
    'has that as the reason of every destination that would have been told: %s',
    (suppressed) => {
      const to = { webhooks: [webhook(1), webhook(2, false)] };
      expect(verdict('opened', { suppressed }, to)).toEqual([
        `webhook w1 opened: skip, ${suppressed}`,
        'webhook w2 opened: skip, disabled',
        `slack opened: skip, ${suppressed}`,
        `pagerduty opened: skip, ${suppressed}`,
      ]);
    },
  );
});

describe('the end of an alert', () => {
  const told = [was(SLACK, 'opened', 'success'), was(PAGER, 'opened', 'success')];

  test('is told wherever its beginning was, whatever is configured now', () => {
    const both = ['slack recovered: send', 'pagerduty recovered: send'];
    expect(verdict('recovered', { earlier: told }, { defaultRoute: NOTHING })).toEqual(both);
    expect(verdict('closed', { earlier: told })).toEqual(['slack closed: send', 'pagerduty closed: send']);
    const gone = [
      was(place('slack', 7), 'opened', 'success'),
      was(place('webhook', 8), 'reminder', 'failed', 4),
    ];
    expect(verdict('recovered', { earlier: gone })).toEqual([
      'slack t7 recovered: send',
      'webhook t8 recovered: send',
    ]);
  });

  test('is told to machines but not to people while muted', () => {
    const earlier = [
      ...told,
      was(webhook(1), 'opened', 'success'),
      was(place('email', 2), 'opened', 'success'),
    ];
    expect(verdict('recovered', { earlier, muted: true }, { webhooks: [webhook(1)] })).toEqual([
      'slack recovered: skip, muted',
      'pagerduty recovered: send',
      'webhook w1 recovered: send',
      'email t2 recovered: skip, muted',
    ]);
  });

  test('is told to nobody who did not hear of its beginning', () => {
    const skipped = [was(SLACK, 'opened', 'skipped', 0), was(PAGER, 'opened', 'skipped', 0)];
    expect(verdict('recovered', { earlier: skipped })).toEqual([]);
    expect(verdict('recovered', {}, { webhooks: [webhook(1)] })).toEqual([
      'webhook w1 recovered: skip, not_told_before',
    ]);
  });

  test('is not told to a webhook that was disabled since, but to one that was removed', () => {
    const earlier = [was(webhook(1), 'opened', 'success'), was(webhook(2), 'opened', 'success')];
    expect(verdict('recovered', { earlier }, { webhooks: [webhook(1, false)] })).toEqual([
      'webhook w1 recovered: skip, disabled',
      'webhook w2 recovered: send',
    ]);
  });

  test('cancels the resolve of a trigger that was never attempted', () => {
    expect(verdict('recovered', { earlier: [was(PAGER, 'opened', 'cancelled', 0)] })).toEqual([
      'pagerduty recovered: cancel, never_attempted',
    ]);
  });

  test('is not told to a target that waited for others to fail, unless it may still be told', () => {
    const earlier = [
      was(place('slack', 1), 'opened', 'success', 1, true),
      was(place('slack', 2), 'opened', 'cancelled', 0, true),
      was(place('pagerduty', 3), 'opened', 'cancelled', 0, true),
      was(place('slack', 4), 'opened', 'pending', 0, true),
    ];
    expect(verdict('recovered', { earlier })).toEqual([
      'slack t1 recovered: send',
      'slack t4 recovered: send',
    ]);
  });

  test('resolves once for several triggers, as soon as one was attempted', () => {
    const triggers = [was(PAGER, 'opened', 'failed', 5), was(PAGER, 'opened', 'cancelled', 0)];
    expect(verdict('recovered', { earlier: triggers })).toEqual(['pagerduty recovered: send']);
  });

  test('resolves the incidents of each key, however its credential is sealed', () => {
    const sealed = (address: string, identity: string) => ({
      ...was(PAGER, 'opened', 'success'),
      address: { routing_key: address },
      identity,
    });
    const earlier = [sealed('v1:a', 'one'), sealed('v1:b', 'one'), sealed('v1:c', 'two')];
    const { decisions } = decide(occasion('recovered', { earlier }), routes());
    expect(decisions.map(({ address }) => address.routing_key)).toEqual(['v1:a', 'v1:c']);
  });

  test('reaches a Slack channel once, reminders included, cancelled reminders not', () => {
    const other = { ...SLACK, destination: 'C2', identity: 'C2', address: { channel_id: 'C2' } };
    const earlier = [
      was(SLACK, 'opened', 'failed', 5),
      was(SLACK, 'reminder', 'success'),
      was(other, 'reminder', 'cancelled', 0),
    ];
    expect(verdict('recovered', { earlier })).toEqual(['slack recovered: send']);
  });
});
