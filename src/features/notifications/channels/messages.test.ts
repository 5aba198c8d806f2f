import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AlertFacts } from '../facts.ts';
import { dedupKey, pagerDutyEvent } from './pagerduty.ts';
import { slackText } from './slack-text.ts';
import { elapsed } from './words.ts';

const FACTS: AlertFacts = {
  event: 'opened',
  occurred_at: '2026-03-08T08:30:00.000Z',
  alert: {
    alert_id: 7,
    alert_name: 'Medic - Heartbeat failure for nightly-backup',
    kind: 'service',
    reason: 'missed_heartbeat',
    run_id: null,
    active: true,
    alert_cycle: 1,
    created_date: '2026-03-08T08:30:00.000Z',
    closed_date: null,
    close_reason: null,
    url: 'https://medic.example.com/ui/alerts/7',
  },
  service: {
    service_id: 3,
    heartbeat_name: 'nightly-backup',
    service_name: 'Backup',
    team: 'site-reliability',
    priority: 'p2',
    runbook: null,
    last_heartbeat: '2026-03-07T08:05:00.000Z',
  },
  report: { message: null, run_id: null },
  run: null,
  outage_seconds: null,
  acknowledgement: null,
};
const with_ = (
  alert: Partial<AlertFacts['alert']>,
  service: Partial<AlertFacts['service']> = {},
): AlertFacts => ({
  ...FACTS,
  alert: { ...FACTS.alert, ...alert },
  service: { ...FACTS.service, ...service },
});

describe('PagerDuty', () => {
  test.each([
    ['p1', 'critical'],
    ['p2', 'error'],
    ['p3', 'warning'],
    ['p4', 'info'],
    ['p5', 'info'],
    ['px', 'warning'],
  ])('priority %s has severity %s', (priority, severity) => {
    const event = pagerDutyEvent(
      { facts: with_({}, { priority }), address: { routing_key: 'k' } },
      'https://m',
    );
    expect(event).toMatchObject({ payload: { severity } });
  });

  test('the dedup key names the service, and the run of a run alert', () => {
    expect(dedupKey(FACTS)).toBe('medic-nightly-backup');
    expect(dedupKey(with_({ kind: 'stale_job', run_id: 'r1' }))).toBe('medic-nightly-backup-stale-r1');
    expect(dedupKey(with_({ kind: 'duration_exceeded', run_id: 'r1' }))).toBe(
      'medic-nightly-backup-duration-r1',
    );
  });

  test('no dedup key is longer than 255 characters, and long names keep keys of their own', () => {
    const long = (end: string) => dedupKey(with_({}, { heartbeat_name: '✓'.repeat(254) + end }));
    expect([...long('a')]).toHaveLength(190 + 64);
    expect(long('a')).not.toBe(long('b'));
  });
});

describe('Slack', () => {
  test.each([
    [45, '45s'],
    [200, '3m 20s'],
    [7500, '2h 5m'],
    [-3, '0s'],
  ])('%d seconds read %s', (seconds, text) => {
    expect(elapsed(seconds)).toBe(text);
  });

  test('a recovery tells the last heartbeat in the display zone and the length of the outage', () => {
    const recovered: AlertFacts = {
      ...with_({ active: false, closed_date: '2026-03-08T10:35:00.000Z' }),
      event: 'recovered',
    };
    const text = slackText(recovered, 'America/Chicago');
    expect(text).toContain(':green_heart:');
    expect(text).toContain('`nightly-backup`');
    expect(text).toContain('`Backup`');
    expect(text).toContain('after 2h 5m');
    expect(text).toContain('2026-03-07 02:05:00 America/Chicago');
  });

  test('no text of a user leaves its place: no mention, no link, no open code span', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (name, message) => {
        const hostile = `<!channel>${name}\`<http://x|y>`;
        const facts: AlertFacts = {
          ...with_({}, { heartbeat_name: hostile, service_name: hostile, team: hostile }),
          report: { message: `<@U1>${message}`, run_id: null },
        };
        const text = slackText(facts, 'UTC').replace('<https://medic.example.com/ui/alerts/7|Alert 7>', '');
        expect(text).not.toMatch(/[<>]/);
        const firstLine = text.slice(0, text.indexOf('Last heartbeat'));
        expect(firstLine.split('`').length % 2).toBe(1);
      }),
    );
  });
});
