import { type TSchema, Type } from 'typebox';
import { invalid } from '../platform/errors.ts';
import { parseInstant } from '../platform/time.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 250;

/** The paging of every v2 list: texts, since what cannot be read means the default (spec 10 section 2). */
export const PageQuery = {
  limit: Type.Optional(Type.String({ description: 'Entries of a page, 1 to 250; default 50' })),
  offset: Type.Optional(Type.String({ description: 'Entries to skip; default 0' })),
};

export interface Page {
  limit: number;
  offset: number;
}

export function pageOf(query: { limit?: string; offset?: string }): Page {
  return {
    limit: clamp(query.limit, DEFAULT_LIMIT, 1, MAX_LIMIT),
    offset: clamp(query.offset, 0, 0, Number.MAX_SAFE_INTEGER),
  };
}

/** A whole number within bounds; a text that is none means the default. */
export function clamp(text: string | undefined, fallback: number, min: number, max: number): number {
  const number = text === undefined || !/^[+-]?\d+$/.test(text.trim()) ? fallback : Number(text);
  return Math.min(Math.max(number, min), max);
}

export function ListOf<T extends TSchema>(entry: T) {
  return Type.Object({
    entries: Type.Array(entry),
    total_count: Type.Integer(),
    limit: Type.Integer(),
    offset: Type.Integer(),
    has_more: Type.Boolean(),
  });
}

export function listOf<T>(entries: T[], total: number, page: Page) {
  return {
    entries,
    total_count: total,
    limit: page.limit,
    offset: page.offset,
    has_more: page.offset + entries.length < total,
  };
}

/** The time in a filter, which names itself when it is none. */
export function instantOf(member: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const instant = parseInstant(text);
  if (instant === undefined) throw invalid(member, 'must be a time such as 2026-03-08T08:00:00Z');
  return instant;
}
