/**
 * The form under which texts that differ only in case are one. Upper case first, so that letters with several
 * lower-case forms meet (ß and SS, final sigma). Folded here, so that every database and locale agrees.
 */
export function foldCase(text: string): string {
  return text.normalize('NFC').toUpperCase().toLowerCase();
}
