import { foldCase } from '../../platform/fold.ts';

/** Printable, without `/`, no blank at either end (spec 01 section 1). */
export const NAME_PATTERN = '^(?!\\s)[^/\\p{Cc}\\p{Cs}\\p{Co}\\p{Cn}\\p{Zl}\\p{Zp}]+(?<!\\s)$';
export const MAX_NAME = 255;

const pattern = new RegExp(NAME_PATTERN, 'u');

/** True for what a service can be called. */
export function isName(text: string): boolean {
  return pattern.test(text) && [...text].length <= MAX_NAME;
}

/** The form under which names that differ only in case are one service. */
export const nameKey = foldCase;
