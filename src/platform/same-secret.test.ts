import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sameSecret } from './same-secret.ts';

test.each([
  ['secret', 'secret', true],
  ['', '', true],
  ['pässwörd', 'pässwörd', true],
  ['secret', 'Secret', false],
  ['secret', 'secret ', false],
  ['secret', 'secre', false],
  ['secret', '', false],
  ['secret\0', 'secret', false],
  ['é', 'e\u0301', false],
  ['\u00c3\u00a9', 'é', false],
  ['\ud800', 'x', false],
  ['x'.repeat(100_000), 'x'.repeat(100_000), true],
])('%j and %j: %s', (given, expected, same) => {
  expect(sameSecret(given, expected)).toBe(same);
  expect(sameSecret(Buffer.from(given), expected)).toBe(same);
});

test('any bytes are compared, and only the same ones are the same', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      expect(sameSecret(a, b)).toBe(Buffer.compare(a, b) === 0);
      expect(sameSecret(a, Uint8Array.from(a))).toBe(true);
    }),
  );
});
