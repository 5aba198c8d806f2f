import { expect, test } from 'vitest';
import { locksEverybodyOut } from './last-admin.ts';
import type { Scope } from './scope.ts';

const NOW = new Date('2040-03-01T12:00:00Z');
const [PAST, SOON, LATER] = ['2040-02-01', '2040-04-01', '2040-05-01'].map((day) => new Date(day)) as [
  Date,
  Date,
  Date,
];

const admin = (expires_at: Date | null = null) => ({ scopes: ['read', 'admin'] as Scope[], expires_at });
const reader = { scopes: ['read'] as Scope[], expires_at: null };

test.each([
  ['an only admin is revoked', admin(), undefined, [], true],
  ['an only admin is revoked, readers stay', admin(), undefined, [reader], true],
  ['an only admin loses the scope', admin(), reader, [], true],
  ['an only admin is to expire', admin(), admin(SOON), [], true],
  ['an only admin that expires is to expire sooner', admin(LATER), admin(SOON), [], true],
  ['an only admin that expires is revoked', admin(LATER), undefined, [], true],
  ['the only other admin has expired', admin(), undefined, [admin(PAST)], true],
  ['the only other admin expires before', admin(), admin(LATER), [admin(SOON)], true],
  ['the only other admin expires at the same moment', admin(), admin(SOON), [admin(SOON)], true],
  ['another admin is there', admin(), undefined, [reader, admin()], false],
  ['another admin is there for a while', admin(), undefined, [admin(SOON)], false],
  ['another admin outlives it', admin(), admin(SOON), [admin(LATER)], false],
  ['it lives longer', admin(SOON), admin(LATER), [], false],
  ['it lives for ever', admin(SOON), admin(), [], false],
  ['something else changes', admin(SOON), admin(SOON), [], false],
  ['it had expired before', admin(PAST), undefined, [], false],
  ['it never was an admin', reader, undefined, [], false],
  ['it becomes an admin', reader, admin(SOON), [], false],
])('%s: %#', (_case, before, after, others, expected) => {
  expect(locksEverybodyOut(before, after, others, NOW)).toBe(expected);
});
