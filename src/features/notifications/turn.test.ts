import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Member, nextTurn } from './turn.ts';

const NOW = new Date('2026-03-08T08:00:00Z');
const member = (position: number, fields: Partial<Member> = {}): Member => ({
  delivery_id: `d${position}`,
  position,
  status: 'retrying',
  round: 0,
  active: false,
  not_before: null,
  ...fields,
});

/** Plays it to its end: who refuses for good, and at which attempt, counted over all, somebody takes the message. */
function play(count: number, { success = Infinity, refusing = [] as number[] } = {}) {
  let members = Array.from({ length: count }, (_, index) => member(index + 1, { status: 'pending' }));
  let now = NOW;
  const tried: { position: number; round: number; seconds: number }[] = [];
  for (let step = 0; step < 1000; step += 1) {
    const turn = nextTurn(members, now, 0);
    if (turn.kind !== 'try') return { tried, end: turn.kind };
    now = turn.at;
    const seconds = (now.getTime() - NOW.getTime()) / 1000;
    tried.push({ position: turn.member.position, round: turn.round, seconds });
    const status =
      tried.length === success ? 'success' : refusing.includes(turn.member.position) ? 'failed' : 'retrying';
    members = members.map((one) =>
      one.position === turn.member.position ? { ...one, status, round: turn.round } : one,
    );
  }
  throw new Error('it does not end');
}

test('each round tries everyone once in order; rounds in vain are repeated after 1 s, 5 s, 30 s and 10 min', () => {
  const { tried, end } = play(3);
  expect(tried.map(({ position }) => position)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  expect(tried.map(({ seconds }) => seconds)).toEqual([0, 0, 0, 1, 1, 1, 6, 6, 6, 36, 36, 36, 636, 636, 636]);
  expect(end).toBe('in_vain');
});

test('the first success ends it', () => {
  expect(play(3, { success: 2 })).toMatchObject({ end: 'told', tried: [{ position: 1 }, { position: 2 }] });
  expect(play(2, { success: 3 }).tried.map(({ position }) => position)).toEqual([1, 2, 1]);
});

test('who refuses for good is not tried again, and when all do, it is over', () => {
  expect(play(2, { refusing: [1] }).tried.map(({ position }) => position)).toEqual([1, 2, 2, 2, 2, 2]);
  expect(play(2, { refusing: [1, 2] })).toMatchObject({ end: 'over', tried: [{}, {}] });
});

test('while it is the turn of one, nobody else has it', () => {
  expect(nextTurn([member(1, { active: true, round: 1 }), member(2)], NOW, 0)).toEqual({ kind: 'under_way' });
});

describe('who asked to be left alone', () => {
  const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

  test('is passed over, and tried in the round that begins when the time is over', () => {
    const first = member(1, { round: 1, not_before: later(60) });
    const turn = nextTurn([first, member(2, { round: 1 })], NOW, 0);
    expect(turn).toMatchObject({ kind: 'try', round: 2, member: { position: 2 }, at: later(1) });
    const after = nextTurn([first, member(2, { round: 3 })], later(36), 0);
    expect(after).toMatchObject({ kind: 'try', round: 4, member: { position: 1 }, at: later(66) });
  });

  test('lengthens the wait when nobody else is left', () => {
    const turn = nextTurn([member(1, { round: 1, not_before: later(60) })], NOW, 0);
    expect(turn).toMatchObject({ kind: 'try', round: 2, at: later(60) });
  });
});

test('waits are lengthened by their share', () => {
  expect(nextTurn([member(1, { round: 1 })], NOW, 0.1)).toMatchObject({ at: new Date(NOW.getTime() + 1100) });
});

test('whatever happens, nobody is tried twice in a round or after a success, and it ends', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 40 }),
      fc.uniqueArray(fc.integer({ min: 1, max: 6 })),
      (count, success, refusing) => {
        const { tried, end } = play(count, { success, refusing });
        const pairs = tried.map(({ position, round }) => `${position} ${round}`);
        expect(new Set(pairs).size).toBe(pairs.length);
        expect(Math.max(...tried.map(({ round }) => round))).toBeLessThanOrEqual(5);
        expect(end).toBe(tried.length >= success ? 'told' : end);
        // In every round that was finished, everyone who had not refused had a turn.
        for (const { round } of tried.filter((one) => tried.some((other) => other.round > one.round))) {
          const had = tried.filter((one) => one.round === round).length;
          expect(had).toBeGreaterThanOrEqual(count - refusing.filter((position) => position <= count).length);
        }
      },
    ),
  );
});
