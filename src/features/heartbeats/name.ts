/** Printable, without `/`, no blank at either end (spec 01 section 1). */
export const NAME_PATTERN = '^(?!\\s)[^/\\p{Cc}\\p{Cs}\\p{Co}\\p{Cn}\\p{Zl}\\p{Zp}]+(?<!\\s)$';
export const MAX_NAME = 255;

/**
 * The form under which names that differ only in case are one service. Upper case first, so that letters with
 * several lower-case forms meet (ß and SS, final sigma).
 */
export function nameKey(heartbeatName: string): string {
  return heartbeatName.normalize('NFC').toUpperCase().toLowerCase();
}
