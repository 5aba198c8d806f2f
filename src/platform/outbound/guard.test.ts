import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, test } from 'vitest';
import { answered, inUrl, NEVER, NOTHING, passes } from '../../../test/harness/outbound.ts';
import { judge } from './guard.ts';

/** Written by hand from spec 05 section 7, apart from the lists that the code uses. */
const REFUSED_RANGES = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.0.0', '192.0.0.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['224.0.0.0', '239.255.255.255'],
  ['240.0.0.0', '255.255.255.255'],
  ['::', '::'],
  ['::1', '::1'],
  ['64:ff9b::', '64:ff9b::ffff:ffff'],
  ['64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff'],
  ['100::', '100::ffff:ffff:ffff:ffff'],
  ['2001::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
] as const;

const numberOf = (address: string) =>
  ipaddr
    .parse(address)
    .toByteArray()
    .reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const V4 = 1n << 32n;
const V6 = 1n << 128n;
function addressFrom(number: bigint, size: bigint): string {
  const bytes = Array.from({ length: size === V4 ? 4 : 16 }, (_, n, length = size === V4 ? 4 : 16) =>
    Number((number >> BigInt(8 * (length - 1 - n))) & 0xffn),
  );
  return ipaddr.fromByteArray(bytes).toString();
}
const BOUNDS = REFUSED_RANGES.map(([first, last]) => ({
  size: first.includes(':') ? V6 : V4,
  first: numberOf(first),
  last: numberOf(last),
}));

/** The rules in numbers; IPv4-mapped and IPv4-compatible addresses are the IPv4 address inside. */
function isRefused(number: bigint, size: bigint): boolean {
  if (size === V6 && number > 1n && (number < V4 || number >> 32n === 0xffffn)) {
    return isRefused(number % V4, V4);
  }
  const listed = BOUNDS.some((range) => range.size === size && range.first <= number && number <= range.last);
  return listed || NEVER.includes(addressFrom(number, size));
}

describe('addresses', () => {
  test.each(REFUSED_RANGES)(
    '%s to %s is refused to its first and last address, and no further',
    (first, last) => {
      const size = first.includes(':') ? V6 : V4;
      for (const [edge, beyond] of [
        [numberOf(first), numberOf(first) - 1n],
        [numberOf(last), numberOf(last) + 1n],
      ] as const) {
        const inside = addressFrom(edge, size);
        expect(passes(inUrl(inside)), inside).toBe(false);
        expect(answered([inside]), inside).toBe(false);
        if (beyond < 0n || beyond >= size) continue;
        const outside = addressFrom(beyond, size);
        expect(passes(inUrl(outside)), outside).toBe(!isRefused(beyond, size));
        expect(answered([outside]), outside).toBe(!isRefused(beyond, size));
      }
    },
  );

  test('any address is judged as the table says, as a literal and as an answer', () => {
    const near = fc
      .tuple(fc.constantFrom(...BOUNDS), fc.bigInt({ min: -300n, max: 300n }), fc.boolean())
      .map(([{ size, first, last }, offset, low]) => ({ size, number: (low ? first : last) + offset }));
    const anywhere = fc.oneof(
      fc.bigInt({ min: 0n, max: V4 - 1n }).map((number) => ({ size: V4, number })),
      fc.bigInt({ min: 0n, max: V6 - 1n }).map((number) => ({ size: V6, number })),
      fc.bigInt({ min: 0n, max: 0x2_0000_0000_0000n }).map((number) => ({ size: V6, number })),
    );
    fc.assert(
      fc.property(fc.oneof(near, anywhere), ({ size, number }) => {
        fc.pre(number >= 0n && number < size);
        const address = addressFrom(number, size);
        expect(passes(inUrl(address)), address).toBe(!isRefused(number, size));
        expect(answered([address]), address).toBe(!isRefused(number, size));
      }),
      { numRuns: 3000 },
    );
  });

  test('an IPv4 address is judged alike in every form that a URL gives it', () => {
    const forms: ((a: number, b: number, c: number, d: number) => string)[] = [
      (a, b, c, d) => `${((a * 256 + b) * 256 + c) * 256 + d}`,
      (a, b, c, d) => [a, b, c, d].map((part) => `0x${part.toString(16)}`).join('.'),
      (a, b, c, d) => [a, b, c, d].map((part) => `0${part.toString(8)}`).join('.'),
      (a, b, c, d) => `${a}.${(b * 256 + c) * 256 + d}`,
      (a, b, c, d) => `${a}.${b}.0X${(c * 256 + d).toString(16).toUpperCase()}`,
      (...parts) => `${parts.join('.')}.`,
      (...parts) => `${parts.join('.')}:8443`,
      (...parts) => parts.join('%2E'),
      (...parts) => parts.join('.').replaceAll(/\d/g, (digit) => `%3${digit}`),
      (...parts) =>
        parts.join('。').replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
      (...parts) => `[::ffff:${parts.join('.')}]`,
      (...parts) => `[0:0:0:0:0:FFFF:${parts.join('.')}]`,
    ];
    const byte = fc.integer({ min: 0, max: 255 });
    const edges = fc.constantFrom(
      [127, 0, 0, 1],
      [10, 0, 0, 1],
      [172, 16, 0, 1],
      [169, 254, 169, 254],
      [8, 8, 8, 8],
    );
    fc.assert(
      fc.property(fc.oneof(fc.tuple(byte, byte, byte, byte), edges), (parts) => {
        const [a = 0, b = 0, c = 0, d = 0] = parts;
        const expected = !isRefused(numberOf(parts.join('.')), V4);
        for (const form of forms) {
          const url = `https://${form(a, b, c, d)}/hook`;
          expect(passes(url), url).toBe(expected);
        }
      }),
    );
  });
});

describe('URLs', () => {
  test.each([
    'http://172.15.255.255/',
    'http://172.32.0.0/',
    'http://192.167.255.255/',
    'http://192.169.0.0/',
    'http://8.8.8.8/',
    'http://[2606:4700:4700::1111]/',
    'https://hooks.example.com:8443/a/b?c=d',
    'HTTPS://EXAMPLE.COM',
    'http://example.com./',
    'http://bücher.example/',
    'http://[::ffff:8.8.8.8]:80/',
    'http://localhost.example.com/',
    'http://notlocalhost/',
    'http://metadata.example.com/',
    'http://10.0.0.1.example.com/',
    'http://my_service/',
    'http://example.com:0/',
    'http://@example.com/',
    'http://example.com/@10.0.0.1/',
    'http://example.com#@10.0.0.1/',
  ])('%s passes', (url) => {
    expect(judge(url, NOTHING)).not.toMatchObject({ kind: 'refused' });
  });

  test.each([
    // Addresses of this machine and its network
    'http://127.0.0.1/',
    'http://127.0.0.1./',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0x7F000001/',
    'http://017700000001/',
    'http://0177.0.0.01/',
    'http://127.1/',
    'http://0/',
    'http://0.0.0.0:8080/',
    'http://[::1]/',
    'http://[::]/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::127.0.0.1]/',
    'http://[::7f00:1]/',
    'http://[::2]/',
    'http://[64:ff9b::8.8.8.8]/',
    'http://[64:ff9b:1::a00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[2002:808:808::]/',
    'http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/',
    'http://[fd00::1]/',
    'http://[fe80::1]/',
    'http://①②⑦.0.0.1/',
    'http://１２７.０.０.１/',
    'http://127。0。0。1/',
    'http://%31%32%37.0.0.1/',
    'http://127.0.0.1\\@example.com/',
    'http:\\\\127.0.0.1\\',
    'http:127.0.0.1',
    'http:///127.0.0.1',
    ' \thttp://12\n7.0.0.1/ ',
    // Names of this machine and of metadata services
    'http://localhost/',
    'http://LOCALHOST:9/',
    'http://localhost./',
    'http://localhost../',
    'http://app.localhost/',
    'http://a.b.LocalHost./',
    'http://ＬＯＣＡＬＨＯＳＴ/',
    'http://loc%61lhost/',
    'http://local\u00adhost/',
    'http://metadata/',
    'http://Metadata.Google.Internal/computeMetadata/v1/',
    'http://metadata.google.internal./',
    'http://metadata%E3%80%82google.internal/',
    'http://metadata.goog/',
    'http://instance-data/latest/',
    // What is no URL, no host or no address
    '',
    'example.com',
    '//example.com/',
    'http://',
    'http://?',
    'http://.../',
    'http://./',
    'http://256.256.256.256/',
    'http://4294967296/',
    'http://1.2.3.4.5/',
    'http://08.1/',
    'http://foo.0x/',
    'http://[fe80::1%25eth0]/',
    'http://[::1',
    'http://[v1.x]/',
    'http://a b/',
    'http://ex%00ample.com/',
    'http://example.com:99999/',
    'http://example.com:http/',
    'http://xn--\u0000/',
    // Other schemes, and user information
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com/',
    'javascript:alert(1)',
    'data:text/plain,x',
    'ws://example.com/',
    'unix:/run/x.sock',
    'blob:http://example.com/x',
    'http://user@example.com/',
    'http://user:password@example.com/',
    'http://:password@example.com/',
    'http://127.0.0.1:80@example.com/',
    'http://example.com@127.0.0.1/',
    'http://example.com:80@10.0.0.1:80/',
    'http://example.com%2F@10.0.0.1/',
  ])('%j is refused', (url) => {
    expect(judge(url, NOTHING)).toMatchObject({ kind: 'refused' });
  });

  test('no text makes the judge fail, and none but http passes', () => {
    const pieces = fc.constantFrom(
      'http',
      'https',
      ':',
      '/',
      '//',
      '@',
      '#',
      '?',
      '\\',
      '[',
      ']',
      '::1',
      '127.1',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((parts) => parts.join('')),
        ),
        (text) => {
          const judgement = judge(text, NOTHING);
          if (judgement.kind === 'refused') expect(judgement.reason).not.toBe('');
          else expect(judgement.url.protocol).toMatch(/^https?:$/);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('answers', () => {
  test('one refused address among many refuses the name', () => {
    expect(answered(['8.8.8.8', '2606:4700:4700::1111'])).toBe(true);
    expect(answered(['8.8.8.8', '10.0.0.1'])).toBe(false);
    expect(answered(['::ffff:10.0.0.1', '8.8.8.8'])).toBe(false);
    expect(answered(['8.8.8.8', 'fe80::1%eth0'])).toBe(false);
    expect(answered(['8.8.8.8', 'nonsense'])).toBe(false);
    expect(answered([])).toBe(false);
  });
});
