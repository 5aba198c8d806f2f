import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formsOf, maskOf } from './masking.ts';

/** Few characters, so that values begin, end and repeat within each other; `*` would be mistaken for the mask. */
const repeating = fc.string({ unit: fc.constantFrom('a', 'b', '/', '"', '%', 'é'), maxLength: 40 });
const anyText = fc.string({ unit: 'binary', maxLength: 60 }).map((text) => text.replaceAll('*', '.'));
const value = fc.oneof(repeating, anyText).filter((text) => Buffer.byteLength(text) >= 4);

const base64 = (text: string) => Buffer.from(text).toString('base64');
const ENCODINGS: Record<string, (text: string) => string> = {
  'as it is': (text) => text,
  'in JSON': (text) => JSON.stringify({ text }),
  'in a URL': (text) => `https://example.com/?q=${encodeURIComponent(text)}&more`,
  'in a form': (text) => new URLSearchParams({ q: text }).toString(),
  'in base64': base64,
  'in base64 for URLs': (text) => Buffer.from(text).toString('base64url'),
};

describe('no secret survives', () => {
  test.each(Object.entries(ENCODINGS))('%s, among others and in any text', (_, encode) => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), repeating, repeating, (values, a, b) => {
        const masked = maskOf(values)(a + values.map(encode).join(b) + a);
        for (const secret of values) {
          expect(masked).not.toContain(secret);
          expect(masked).not.toContain(encode(secret));
        }
      }),
    );
  });

  test('inside of a longer text in base64, wherever it begins', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 5 }),
        value,
        fc.string({ maxLength: 5 }),
        (before, secret, after) => {
          const [first = '', ...rest] = maskOf([secret])(base64(before + secret + after)).split('***');
          expect(rest.length).toBeGreaterThan(0);
          // What is left beside the mask are the neighbours and the characters that mix them with the secret.
          expect(first.length + rest.join('').length).toBeLessThanOrEqual(
            base64(before).length + base64(after).length + 4,
          );
        },
      ),
    );
  });
});

test('what holds no secret is left as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 100 }), (text) => {
      expect(maskOf(['cccc', 'dddd-eeee'])(text)).toBe(text);
    }),
  );
});

test.each([
  ['between other words', 'key=hunter2, really', ['hunter2'], 'key=***, really'],
  ['twice', 'hunter2 hunter2', ['hunter2'], '*** ***'],
  ['side by side', 'aaaabbbb', ['aaaa', 'bbbb'], '******'],
  ['one within the other', 'x secretly x', ['secret', 'secretly'], 'x *** x'],
  ['one across the other', 'abcdefghi', ['abcdef', 'defghi'], '***'],
  ['across itself', 'xabababx', ['abab'], 'x***x'],
  ['long and across itself', `x${'ab'.repeat(30)}x`, ['ab'.repeat(20)], 'x***x'],
  ['escaped in JSON', '{"a":"q\\"u\\\\o"}', ['q"u\\o'], '{"a":"***"}'],
  ['as ASCII in JSON', '"gr\\u00fc\\u00dfe"', ['grüße'], '"***"'],
  ['with an escaped slash', '"a\\/b\\/c"', ['a/b/c'], '"***"'],
  ['encoded with small digits', 'p=a%2fb%2fc', ['a/b/c'], 'p=***'],
  ['encoded with slashes kept', 'p=a/b%20c', ['a/b c'], 'p=***'],
  ['encoded with a plus', 'p=a+b+c', ['a b c'], 'p=***'],
  ['of 3 bytes: nothing', 'abc', ['abc'], 'abc'],
  ['of 4 bytes in 2 characters', 'éé', ['éé'], '***'],
  ['empty: nothing', 'abc', [''], 'abc'],
  ['no value: nothing', 'abc', [], 'abc'],
])('%s', (_, text, values, masked) => {
  expect(maskOf(values)(text)).toBe(masked);
});

test('in base64 whose lines are broken', () => {
  const secret = Array.from({ length: 50 }, (_, i) => `part-${i}`).join('');
  const lines = base64(secret).replace(/.{76}/g, '$&\n');
  expect(maskOf([secret])(lines).length).toBeLessThan(8);
});

test('a value has each form once', () => {
  const forms = formsOf(['abcd1234', 'abcd1234']);
  expect(new Set(forms).size).toBe(forms.length);
  expect(forms.length).toBeLessThan(8);
});

test('values of 64 KiB are masked in time, also where everything repeats', () => {
  const length = 65_536;
  const secrets = ['a'.repeat(length), `b${'a'.repeat(length - 1)}`, 'a"/%'.repeat(length / 4)];
  const mask = maskOf(secrets);
  const texts = [...secrets, 'a'.repeat(2 * length), `${'a'.repeat(length - 1)}b`.repeat(3)];
  const started = performance.now();
  for (const text of texts) mask(text);
  // About 0.2 s; a search that begins anew at each character would take minutes.
  expect(performance.now() - started).toBeLessThan(10_000);
});
