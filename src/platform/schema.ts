import { type TSchema, Type } from 'typebox';

/**
 * One of a few words in any letter case; validation replaces it by the documented spelling
 * (spec README, convention 5).
 */
export function AnyCase<const Word extends string>(words: readonly Word[], options: { default?: Word } = {}) {
  return Type.Unsafe<Word>({ type: 'string', anyCase: words, ...options });
}

export function Nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()]);
}

/** An instant in answers: ISO 8601, UTC, milliseconds. */
export const Instant = Type.String({ format: 'date-time' });

/** The id in a path. Everything that is not a non-negative integer of PostgreSQL's range is "not found". */
export const MAX_ID = 2_147_483_647;

/** PostgreSQL stores neither NUL nor half of a surrogate pair: the driver would replace the latter silently. */
const STORABLE = '^[^\\u0000\\p{Cs}]*$';

/** A text of 1 to `max` characters (code points) that PostgreSQL can store. */
export function Text(max: number, min = 1) {
  return Type.String({ minLength: min, maxLength: max, pattern: STORABLE });
}

/** A text to look for, of any length. */
export const SearchText = Type.String({ pattern: STORABLE });

/** A name of 1 to `max` printable characters, without a blank at either end. */
export function Name(max: number) {
  return Type.String({
    minLength: 1,
    maxLength: max,
    pattern: '^(?!\\s)[^\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]+(?<!\\s)$',
  });
}
