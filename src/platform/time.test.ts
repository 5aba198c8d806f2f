import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDuration, parseInstant } from './time.ts';

test.each([
  ['2026-03-08T08:00:00Z', '2026-03-08T08:00:00.000Z'],
  ['2026-03-08T08:00:00.5Z', '2026-03-08T08:00:00.500Z'],
  ['2026-03-08T08:00:00.123456Z', '2026-03-08T08:00:00.123Z'],
  ['2026-03-08T08:00:00.999999999Z', '2026-03-08T08:00:00.999Z'],
  ['2026-03-08T08:00:00', '2026-03-08T08:00:00.000Z'],
  ['2026-03-08T08:00', '2026-03-08T08:00:00.000Z'],
  ['2026-03-08T08:00:00+01:00', '2026-03-08T07:00:00.000Z'],
  ['2026-03-08T08:00:00-0530', '2026-03-08T13:30:00.000Z'],
  ['2026-03-08T08:00:00+01', '2026-03-08T07:00:00.000Z'],
  ['2026-03-08t08:00:00z', '2026-03-08T08:00:00.000Z'],
  ['2026-03-08 08:00:00', '2026-03-08T08:00:00.000Z'],
  ['2026-03-08 08:00:00.250000', '2026-03-08T08:00:00.250Z'],
  ['2026-03-08 08:00:00Z', '2026-03-08T08:00:00.000Z'],
  ['2026-03-08 08:00:00 Z', '2026-03-08T08:00:00.000Z'],
  ['2026-03-08 08:00:00.5+02:00', '2026-03-08T06:00:00.500Z'],
  ['2026-03-08', '2026-03-08T00:00:00.000Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000Z'],
  ['2026-12-31T23:30:00-01:00', '2027-01-01T00:30:00.000Z'],
  ['0001-01-01', '0001-01-01T00:00:00.000Z'],
  ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
])('%s is the instant %s', (text, expected) => {
  expect(parseInstant(text)?.toISOString()).toBe(expected);
});

test.each([
  '',
  ' ',
  'now',
  'yesterday',
  '1700000000',
  '2026',
  '2026-03',
  '2026-3-8',
  '26-03-08',
  '08.03.2026',
  '03/08/2026',
  '2026-02-29',
  '2026-13-01',
  '2026-00-10',
  '2026-01-00',
  '2026-04-31',
  '2026-03-08T24:00:00Z',
  '2026-03-08T25:00',
  '2026-03-08T08:60',
  '2026-03-08T08:00:60Z',
  '2026-12-31T23:59:60',
  '2026-03-08T08',
  '2026-03-08T',
  '2026-03-08Z',
  '2026-03-08T08:00:00 01:00',
  '2026-03-08T08:00:00+1',
  '2026-03-08T08:00:00+24:00',
  '2026-03-08T08:00:00+01:60',
  '2026-03-08T08:00:00.Z',
  '2026-03-08T08:00:00.1234567890Z',
  '2026-03-08T08:00:00 Europe/Berlin',
  '2026-03-08T08:00:00[UTC]',
  '2026-03-08T08:00:00CET',
  '2026-03-08\n08:00:00',
  '2026-03-08T08:00:00Z\0',
  '2026-03-08T08:00:00Z; drop table',
  '+002026-03-08T08:00:00Z',
  '-000001-01-01',
  '２０２６-03-08',
])('%j is no time, and none is guessed', (text) => {
  expect(parseInstant(text)).toBeUndefined();
});

test('every instant survives its own ISO text, with any offset', () => {
  const instants = fc.date({
    min: new Date('0001-01-02T00:00:00Z'),
    max: new Date('9999-12-30T00:00:00Z'),
    noInvalidDate: true,
  });
  const offsets = fc.integer({ min: -14 * 60, max: 14 * 60 });
  fc.assert(
    fc.property(instants, offsets, (instant, minutes) => {
      expect(parseInstant(instant.toISOString())).toEqual(instant);
      const local = new Date(instant.getTime() + minutes * 60_000).toISOString().slice(0, 23);
      const two = (number: number) => String(Math.floor(number)).padStart(2, '0');
      const size = Math.abs(minutes);
      const zone = `${minutes < 0 ? '-' : '+'}${two(size / 60)}:${two(size % 60)}`;
      expect(parseInstant(local + zone)).toEqual(instant);
      expect(parseInstant(local.replace('T', ' ') + zone)).toEqual(instant);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('any text is an instant or none, never an invalid date and never an exception', () => {
  const near = fc
    .array(fc.constantFrom(...'0123456789-:.TZ+ ', '2026', '-03', '-08'), { maxLength: 12 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), near), (text) => {
      expect(parseInstant(text)?.getTime()).not.toBeNaN();
    }),
    { seed: 2, numRuns: 1000 },
  );
});

test.each<[string | number, string, number | undefined]>([
  [5, 'smh', 5],
  [0, 'smh', 0],
  [-5, 'smh', -5],
  ['5s', 'smh', 5],
  ['5m', 'smh', 300],
  ['5H', 'smh', 18_000],
  ['2d', 'smhd', 172_800],
  ['2d', 'smh', undefined],
  ['5', 'smh', undefined],
  ['5w', 'smhd', undefined],
  ['1.5h', 'smh', undefined],
  ['-5m', 'smh', undefined],
  ['5 m', 'smh', undefined],
  ['', 'smh', undefined],
  ['s', 'smh', undefined],
  ['1h30m', 'smh', undefined],
  ['0x5s', 'smh', undefined],
  [1.5, 'smh', undefined],
  [Number.NaN, 'smh', undefined],
  [Number.POSITIVE_INFINITY, 'smh', undefined],
  [2 ** 53, 'smh', undefined],
  ['9999999999999s', 'smh', undefined],
])('the duration %j with the units %s is %s seconds', (value, units, seconds) => {
  expect(parseDuration(value, units)).toBe(seconds);
});
