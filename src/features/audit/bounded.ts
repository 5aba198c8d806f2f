/** Most that an entry keeps of an output, in bytes, and of an error message, in characters (spec 06 section 9). */
const OUTPUT_BYTES = 4096;
const ERROR_CHARACTERS = 2048;
const CUT = '[truncated]';

/** Details whose long texts are cut, so that they end in `[truncated]`, to what an entry may hold. */
export function bounded(details: object): object {
  const { output, error_message: error } = details as { output?: unknown; error_message?: unknown };
  return {
    ...details,
    ...(typeof output === 'string' ? { output: withinBytes(output) } : {}),
    ...(typeof error === 'string' ? { error_message: withinCharacters(error) } : {}),
  };
}

function withinBytes(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= OUTPUT_BYTES) return text;
  const kept = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    bytes.subarray(0, OUTPUT_BYTES - CUT.length),
    // Half of a character at the cut is left out, not replaced.
    { stream: true },
  );
  return kept + CUT;
}

function withinCharacters(text: string): string {
  const characters = [...text];
  if (characters.length <= ERROR_CHARACTERS) return text;
  return characters.slice(0, ERROR_CHARACTERS - CUT.length).join('') + CUT;
}
