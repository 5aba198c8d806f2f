/** Replaces known values in a text, and never what they were replaced by. */
export type Mask = (text: string) => string;

const MASKED = '***';
/** A shorter value would be found everywhere, and is not worth hiding (spec 05 section 9 accepts none). */
const MIN_BYTES = 4;

/**
 * A mask for secret values: each occurrence, also JSON-escaped, URL-encoded or in base64, becomes `***`. Occurrences
 * that overlap become one, so that no part of either is left. Takes time in proportion to the text, however its
 * characters repeat (spec 06 section 6, spec 07 section 3).
 */
export function maskOf(values: Iterable<string>): Mask {
  const patterns = formsOf(values).map((form) => new Pattern(form));
  return (text) => {
    const found = patterns.flatMap((pattern) => pattern.occurrencesIn(text));
    if (found.length === 0) return text;
    found.sort((one, other) => one.start - other.start);
    let masked = '';
    let end = 0;
    for (const occurrence of found) {
      if (occurrence.start >= end) masked += text.slice(end, occurrence.start) + MASKED;
      end = Math.max(end, occurrence.end);
    }
    return masked + text.slice(end);
  };
}

/** Every form in which one of the values may stand in a text. */
export function formsOf(values: Iterable<string>): string[] {
  const long = [...values]
    .map((value) => value.toWellFormed())
    .filter((value) => Buffer.byteLength(value) >= MIN_BYTES);
  return [
    ...new Set(long.flatMap((value) => [value, ...inJson(value), ...inUrl(value), ...inBase64(value)])),
  ];
}

function inJson(value: string): string[] {
  const escaped = JSON.stringify(value).slice(1, -1);
  const code = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const ascii = escaped.replace(/[^\0-\x7f]/g, code);
  return [escaped, ascii, escaped.replaceAll('/', '\\/'), ascii.replaceAll('/', '\\/')];
}

/** Encoders differ in which characters they leave, and in the case of the digits. */
function inUrl(value: string): string[] {
  const component = encodeURIComponent(value);
  const strict = component.replace(/[!'()*]/g, (character) => percent(character.charCodeAt(0)));
  const forms = [
    component,
    strict,
    strict.replaceAll('%2F', '/'),
    encodeURI(value),
    new URLSearchParams({ '': value }).toString().slice(1),
  ];
  return [...forms, ...forms.map((form) => form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))];
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/**
 * The whole, and what a longer text that holds the value shows of it: the characters that are made of its bits only,
 * for each of the three places where it can begin. Programs break lines after 76 characters.
 */
function inBase64(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8');
  const inside = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const bits = 8 * (before + bytes.length);
    return text.slice(Math.ceil((8 * before) / 6), Math.floor(bits / 6));
  });
  const [first = ''] = inside;
  const whole = bytes.toString('base64');
  const forms = [whole, whole.replaceAll('=', ''), ...inside, first.replace(/.{76}(?=.)/g, '$&\n')];
  return [...forms, ...forms.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))];
}

interface Occurrence {
  start: number;
  end: number;
}

/** Up to this length the search of the engine is fast enough on any text. */
const SHORT = 16;

/** Searches one form. Long ones by Knuth, Morris and Pratt: the engine's own search is slow where a text repeats itself. */
class Pattern {
  readonly #form: string;
  readonly #head: string;
  /** For each prefix, the length of its longest proper prefix that is also its suffix; made when first needed. */
  #borders: Int32Array | undefined;

  constructor(form: string) {
    this.#form = form;
    this.#head = form.slice(0, SHORT);
  }

  occurrencesIn(text: string): Occurrence[] {
    const first = text.indexOf(this.#head);
    if (first < 0) return [];
    return this.#form.length <= SHORT ? this.#short(text, first) : this.#long(text, first);
  }

  #short(text: string, first: number): Occurrence[] {
    const found: Occurrence[] = [];
    for (let start = first; start >= 0; start = text.indexOf(this.#form, start + 1)) {
      found.push({ start, end: start + this.#form.length });
    }
    return found;
  }

  #long(text: string, first: number): Occurrence[] {
    const form = this.#form;
    this.#borders ??= bordersOf(form);
    const found: Occurrence[] = [];
    let matched = 0;
    for (let at = first; at < text.length; at += 1) {
      matched = extend(form, this.#borders, matched, text.charCodeAt(at));
      if (matched === form.length) found.push({ start: at + 1 - matched, end: at + 1 });
    }
    return found;
  }
}

function bordersOf(form: string): Int32Array {
  const borders = new Int32Array(form.length + 1);
  let matched = 0;
  for (let at = 1; at < form.length; at += 1) {
    matched = extend(form, borders, matched, form.charCodeAt(at));
    borders[at + 1] = matched;
  }
  return borders;
}

/** @returns how much of the form is matched with one more character. */
function extend(form: string, borders: Int32Array, matched: number, character: number): number {
  let length = matched;
  while (length > 0 && form.charCodeAt(length) !== character) length = borders[length] ?? 0;
  return form.charCodeAt(length) === character ? length + 1 : 0;
}
