import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide, type Occasion, type Routes } from './decide.ts';
import type { Place, Reason } from './decision.ts';
import { PERIODS, type Target, type Webhook } from './destination.ts';
import type { Earlier } from './earlier.ts';

const channel = fc.constantFrom('slack', 'pagerduty', 'webhook', 'email');
const place = (targetId: number | null, webhookId: number | null, of: string, n: number): Place => ({
  channel: of,
  destination: `${of}-${n}`,
  address: {},
  identity: `${n}`,
  targetId,
  webhookId,
});
const targets = fc
  .array(fc.tuple(channel, fc.integer({ min: 1, max: 4 }), fc.boolean(), fc.constantFrom(...PERIODS)))
  .map((list) =>
    list.map(
      ([of, n, enabled, period], index): Target => ({ ...place(index, null, of, n), enabled, period }),
    ),
  );
const webhooks = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean()))
  .map((list) =>
    list.map(([n, enabled], index): Webhook => ({ ...place(null, 100 + index, 'webhook', n), enabled })),
  );
const earlier = fc.array(
  fc
    .tuple(
      channel,
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('opened', 'reminder', 'acknowledged'),
      fc.constantFrom('pending', 'retrying', 'success', 'failed', 'cancelled', 'skipped'),
      fc.integer({ min: 0, max: 2 }),
      fc.boolean(),
    )
    .map(([of, n, event, status, attempts, chained]): Earlier => {
      const began = status === 'pending' || status === 'skipped' ? 0 : attempts;
      return { ...place(n, null, of, n), event, status, attempts: began, chained };
    }),
);
const routes: fc.Arbitrary<Routes> = fc.record({
  defaultRoute: fc.record({
    slackToken: fc.option(fc.constant('token'), { nil: undefined }),
    slackChannel: fc.option(fc.constant('C1'), { nil: undefined }),
    pagerDutyKey: fc.option(fc.constant('key'), { nil: undefined }),
  }),
  mode: fc.constantFrom('notify_all', 'notify_until_success'),
  duringHours: fc.boolean(),
  targets,
  webhooks,
});
const suppressed = fc.constantFrom<Reason | null>(
  null,
  null,
  'muted',
  'acknowledged',
  'too_soon',
  'in_maintenance',
);
const occasion: fc.Arbitrary<Occasion> = fc.record({
  event: fc.constantFrom('opened', 'reminder', 'acknowledged', 'recovered', 'closed'),
  muted: fc.boolean(),
  suppressed,
  earlier,
  told: fc.option(fc.integer({ min: 0, max: 4 })),
  trying: fc.boolean(),
});

const isEnd = ({ event }: Occasion) => event === 'recovered' || event === 'closed';
const key = ({ channel: of, destination, targetId, webhookId }: Place) =>
  `${of} ${destination} ${targetId} ${webhookId}`;

test('every destination has exactly one decision, and the reason fits the outcome', () => {
  fc.assert(
    fc.property(occasion, routes, (on, to) => {
      const { decisions } = decide(on, to);
      const keys = decisions.map(key);
      expect(new Set(keys).size).toBe(keys.length);
      for (const { outcome, reason } of decisions) {
        expect(reason === 'sent').toBe(outcome === 'send');
        expect(reason === 'fallback').toBe(outcome === 'wait');
        expect(reason === 'never_attempted').toBe(outcome === 'cancel');
      }
      if (isEnd(on) || on.event === 'acknowledged') return;
      for (const one of [...to.targets, ...to.webhooks]) expect(keys).toContain(key(one));
    }),
    { numRuns: 2000 },
  );
});

test('nothing is sent when the change is suppressed, but every reason is told', () => {
  fc.assert(
    fc.property(occasion, routes, (on, to) => {
      fc.pre(on.suppressed !== null && !isEnd(on));
      for (const { outcome } of decide(on, to).decisions) expect(outcome).toBe('skip');
    }),
  );
});

test('the end goes to nobody who was not told, and in a muted service to machines only', () => {
  fc.assert(
    fc.property(occasion, routes, (on, to) => {
      fc.pre(isEnd(on));
      const heard = on.earlier.filter(({ event }) => event === 'opened' || event === 'reminder');
      for (const one of decide(on, to).decisions.filter(({ outcome }) => outcome === 'send')) {
        expect(heard.some((other) => other.channel === one.channel && other.identity === one.identity)).toBe(
          true,
        );
        if (on.muted) expect(['pagerduty', 'webhook']).toContain(one.channel);
      }
      // Everybody to whom a message was delivered hears of the end.
      for (const one of heard.filter(({ status }) => status === 'success')) {
        if (on.muted && !['pagerduty', 'webhook'].includes(one.channel)) continue;
        if (one.channel === 'pagerduty' && one.event !== 'opened') continue;
        const same = decide(on, to).decisions.filter(
          (other) => other.channel === one.channel && other.identity === one.identity,
        );
        if (one.channel === 'pagerduty' && one.attempts === 0) continue;
        expect(same.some(({ outcome }) => outcome === 'send')).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});

test('targets are told in their period only, the default route never beside them, and one address once', () => {
  fc.assert(
    fc.property(occasion, routes, (on, to) => {
      fc.pre(on.suppressed === null && (on.event === 'opened' || on.event === 'reminder'));
      const { decisions, quiet } = decide(on, to);
      const told = decisions.filter(({ outcome }) => outcome === 'send' || outcome === 'wait');
      const byId = new Map(to.targets.map((target) => [target.targetId, target]));
      for (const { targetId } of told.filter((one) => one.targetId !== null)) {
        const { enabled, period } = byId.get(targetId) as Target;
        expect(enabled).toBe(true);
        expect([to.duringHours ? 'during_hours' : 'after_hours', 'always']).toContain(period);
      }
      const byDefault = told.filter((one) => one.targetId === null && one.webhookId === null);
      if (to.targets.some(({ enabled }) => enabled)) expect(byDefault).toEqual([]);
      const places = told
        .filter((one) => one.channel !== 'webhook' && one.identity !== '')
        .map((one) => `${one.channel} ${one.identity}`);
      expect(new Set(places).size).toBe(places.length);
      if (quiet) expect(told.filter(({ webhookId }) => webhookId === null)).toEqual([]);
      for (const { enabled, webhookId } of to.webhooks) {
        expect(told.some((one) => one.webhookId === webhookId)).toBe(enabled);
      }
    }),
    { numRuns: 2000 },
  );
});

test('of those of which one is enough, one is told and the others wait', () => {
  fc.assert(
    fc.property(occasion, routes, (on, to) => {
      fc.pre(to.mode === 'notify_until_success' && on.suppressed === null);
      fc.pre(on.event === 'opened' || on.event === 'reminder');
      const chained = decide(on, to).decisions.filter((one) => one.chained);
      expect(chained.map(({ outcome }) => outcome)).toEqual(
        chained.map((_, index) => (index === 0 ? 'send' : 'wait')),
      );
    }),
  );
});
