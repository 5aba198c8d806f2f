import { formsOf, type Mask, maskOf } from './masking.ts';

/** Members of a line that the program itself sets; a password that is a word of them must not hide them. */
const OWN_MEMBERS: ReadonlySet<string> = new Set(['timestamp', 'level', 'logger', 'service', 'environment']);

/**
 * A mask for lines of JSON: no value stands in any text, number or name of a line, and the line stays JSON.
 * Nearly every line holds none and is only searched.
 */
export function lineMaskOf(values: readonly string[]): Mask {
  const forms = formsOf(values);
  // A text that is JSON itself is escaped once more in the line.
  const searched = [...new Set(forms.flatMap((form) => [form, JSON.stringify(form).slice(1, -1)]))];
  const mask = maskOf(values);
  return (line) => (searched.some((form) => line.includes(form)) ? maskLine(line, mask) : line);
}

function maskLine(line: string, mask: Mask): string {
  const members = Object.entries(JSON.parse(line) as Record<string, unknown>).map(([name, value]) =>
    OWN_MEMBERS.has(name) ? [name, value] : [mask(name), masked(value, mask)],
  );
  return `${JSON.stringify(Object.fromEntries(members))}\n`;
}

function masked(value: unknown, mask: Mask): unknown {
  if (Array.isArray(value)) return value.map((one) => masked(one, mask));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [mask(name), masked(one, mask)]));
  }
  const text = String(value);
  const result = mask(text);
  return result === text ? value : result;
}
