import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bounded } from './bounded.ts';

test.each([
  [{}],
  [{ output: '' }],
  [{ output: 'x'.repeat(4096), error_message: 'é'.repeat(2048), other: 'x'.repeat(9999) }],
  [{ name: 'a key', scopes: ['read'] }],
])('what fits stays as it is: %#', (details) => {
  expect(bounded(details)).toEqual(details);
});

test('what does not fit ends in [truncated], at the limit', () => {
  const { output, error_message } = bounded({
    output: 'x'.repeat(4097),
    error_message: '😀'.repeat(2049),
  }) as { output: string; error_message: string };
  expect(output).toBe(`${'x'.repeat(4085)}[truncated]`);
  expect(error_message).toBe(`${'😀'.repeat(2037)}[truncated]`);
});

test('a cut never leaves half of a character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1000, maxLength: 6000 }), (text) => {
      const { output } = bounded({ output: text }) as { output: string };
      const kept = output.endsWith('[truncated]') ? output.slice(0, -'[truncated]'.length) : output;
      expect(Buffer.byteLength(output)).toBeLessThanOrEqual(4096);
      expect(text.startsWith(kept)).toBe(true);
    }),
  );
});
