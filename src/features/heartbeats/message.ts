/** Of a message, this many bytes are kept, cut at a character (spec 01 section 5.1). */
export const MESSAGE_BYTES = 10_240;

/** The first 10 240 bytes, cut at a character; NUL, which PostgreSQL cannot store, is removed. */
export function storedMessage(message: string): string {
  const text = message.replaceAll('\0', '').toWellFormed();
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= MESSAGE_BYTES) return text;
  let end = MESSAGE_BYTES;
  // A byte 10xxxxxx continues a character: step back to where it begins.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString('utf8');
}
