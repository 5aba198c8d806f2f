import { expect, test } from 'vitest';
import { durationSeconds } from './duration.ts';

test.each([
  [0, 0],
  [90, 90],
  ['90', 90],
  ['90s', 90],
  [' 5M ', 300],
  ['2h', 7200],
  ['007s', 7],
  ['168H', 604_800],
])('%j is %i seconds', (written, seconds) => {
  expect(durationSeconds(written)).toBe(seconds);
});

test.each([
  '1d',
  '',
  ' ',
  's',
  '-1',
  '+1',
  '1.5',
  '1.5m',
  '1 m',
  '1ms',
  '1m30s',
  '0x10',
  '1e3',
  '٣',
  '9999999999',
  -1,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  null,
  true,
  [1],
  {},
])('%j is no duration', (written) => {
  expect(durationSeconds(written)).toBeUndefined();
});
