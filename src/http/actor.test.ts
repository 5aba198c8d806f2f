import { expect, test } from 'vitest';
import { actorNoteOf } from './actor.ts';

/** As the bytes of a header arrive. */
const note = (text: string) => actorNoteOf({ headers: { 'x-actor': Buffer.from(text).toString('latin1') } });

test.each([
  ['deploy-bot', 'deploy-bot'],
  ['  Ada Lovelace \t', 'Ada Lovelace'],
  ['José 北京 🚀', 'José 北京 🚀'],
  ['<script>"\'', '<script>"\''],
  ['x'.repeat(255), 'x'.repeat(255)],
  ['🚀'.repeat(255), '🚀'.repeat(255)],
])('%j is a note', (given, expected) => {
  expect(note(given)).toBe(expected);
});

test.each([
  '',
  '   ',
  'x'.repeat(256),
  'a\tb',
  'a\u0007b',
  'a\u0085b',
  'a\u2028b',
  'a\u202eb',
  'a\u200bb',
  'a\u{e000}b',
])('%j is ignored', (given) => {
  expect(note(given)).toBeNull();
});

test('bytes that are no UTF-8, and no header at all, are ignored', () => {
  expect(actorNoteOf({ headers: { 'x-actor': 'Jos\u00e9' } })).toBeNull();
  expect(actorNoteOf({ headers: {} })).toBeNull();
});
