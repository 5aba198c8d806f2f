import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ALERT_STATES,
  type AlertCause,
  type AlertState,
  type Circumstances,
  statesThatAccept,
  suppression,
  TRANSITIONS,
} from './machine.ts';

const CAUSES: AlertCause[] = ['fail', 'fail_again', 'acknowledge', 'recover', 'withdraw'];

describe('the life of an alert', () => {
  test('no order of causes leaves the table, and a closed alert stays closed', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...CAUSES), { maxLength: 40 }), (causes) => {
        let state: AlertState | 'none' = 'none';
        for (const cause of causes) {
          const next: AlertState | null = TRANSITIONS[state][cause];
          if (state === 'closed') expect(next).toBeNull();
          if (next === null) continue;
          expect(ALERT_STATES).toContain(next);
          state = next;
        }
      }),
    );
  });

  test('only an alert that is not there can open, and only an active one can close', () => {
    expect(statesThatAccept('fail')).toEqual([]);
    expect(TRANSITIONS.none.fail).toBe('open');
    for (const cause of ['recover', 'withdraw', 'fail_again'] as const) {
      expect(statesThatAccept(cause)).toEqual(['open', 'acknowledged']);
      expect(TRANSITIONS.none[cause]).toBeNull();
    }
    expect(statesThatAccept('acknowledge')).toEqual(['open']);
  });

  test('an acknowledgement survives further failures', () => {
    expect(TRANSITIONS.acknowledged.fail_again).toBe('acknowledged');
  });
});

describe('who hears of a change', () => {
  const normal: Circumstances = {
    muted: false,
    acknowledged: false,
    byReport: false,
    sinceLastMessageMs: null,
    reminderMinMs: 60_000,
  };

  test.each([
    ['opened', {}, null],
    ['opened', { muted: true }, 'muted'],
    ['reminder', {}, null],
    ['reminder', { muted: true, acknowledged: true }, 'muted'],
    ['reminder', { acknowledged: true }, 'acknowledged'],
    ['reminder', { sinceLastMessageMs: 1 }, null],
    ['reminder', { byReport: true, sinceLastMessageMs: 59_999 }, 'too_soon'],
    ['reminder', { byReport: true, sinceLastMessageMs: 60_000 }, null],
    ['reminder', { byReport: true, sinceLastMessageMs: null }, null],
    ['recovered', { muted: true, acknowledged: true }, null],
    ['closed', { muted: true }, null],
    ['acknowledged', { muted: true }, null],
  ] as const)('%s with %o: %s', (event, circumstances, expected) => {
    expect(suppression(event, { ...normal, ...circumstances })).toBe(expected);
  });
});
