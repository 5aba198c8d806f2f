export const MAX_RUN_ID = 255;

/** True for a text that can name a run: 1 to 255 characters that PostgreSQL can store. */
export function isRunId(text: string): boolean {
  const characters = [...text].length;
  return characters >= 1 && characters <= MAX_RUN_ID && !text.includes('\0') && text.isWellFormed();
}
