import { durationSeconds } from '../duration.ts';
import { type Findings, member } from './findings.ts';
import { type List, type Mapping, plainMembers, type Value } from './value.ts';

interface Range {
  min: number;
  max: number;
}

/**
 * The members of one mapping, read one after the other. A member that is wrong is told, and read as `fallback` or as
 * something empty: what is made of it is thrown away, since the text has an error.
 */
export class Fields {
  readonly at: number;
  readonly #findings: Findings;
  readonly #mapping: Mapping;
  readonly #path: string;
  readonly #read = new Set<string>();

  constructor(findings: Findings, mapping: Mapping, path: string) {
    this.at = mapping.at;
    this.#findings = findings;
    this.#mapping = mapping;
    this.#path = path;
  }

  /** Undefined when there is no such member. */
  take(key: string): Value | undefined {
    this.#read.add(key);
    return this.#mapping.members.get(key)?.value;
  }

  pathOf(key: string): string {
    return member(this.#path, key);
  }

  /** Tells what is wrong with a member; with one that is missing, at the mapping. */
  fail(key: string, message: string): void {
    const at = this.#mapping.members.get(key)?.value.at ?? this.at;
    this.#findings.error(at, this.pathOf(key), message);
  }

  /** A text of at least one character that is no blank. */
  text(key: string, max: number): string {
    const value = this.take(key);
    if (value === undefined) this.fail(key, 'is missing');
    else if (value.kind !== 'scalar' || typeof value.value !== 'string') this.fail(key, 'must be a text');
    else if (value.value.trim() === '') this.fail(key, 'is empty');
    // More code units than twice as many characters cannot be few enough.
    else if (value.value.length > 2 * max || [...value.value].length > max) {
      this.fail(key, `is longer than ${max} characters`);
    } else return value.value;
    return '';
  }

  /** A text, or what it is by default. */
  optionalText(key: string, fallback: string): string {
    const value = this.take(key);
    if (value === undefined) return fallback;
    if (value.kind === 'scalar' && typeof value.value === 'string') return value.value;
    this.fail(key, 'must be a text');
    return fallback;
  }

  integer(key: string, fallback: number, range?: Range): number {
    const value = this.take(key);
    if (value === undefined) return fallback;
    const number = value.kind === 'scalar' ? value.value : undefined;
    const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = range ?? {};
    if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) {
      return number;
    }
    this.fail(key, `must be a whole number${range === undefined ? '' : ` from ${min} to ${max}`}`);
    return fallback;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.take(key);
    if (value === undefined) return fallback;
    if (value.kind === 'scalar' && typeof value.value === 'boolean') return value.value;
    this.fail(key, 'must be true or false');
    return fallback;
  }

  /** One of a few words, in any letter case. Without a fallback it must be there. */
  word<Word extends string>(key: string, words: readonly Word[], fallback?: Word): Word {
    const value = this.take(key);
    const [first] = words as readonly [Word, ...Word[]];
    if (value === undefined) {
      if (fallback === undefined) this.fail(key, 'is missing');
      return fallback ?? first;
    }
    const text = value.kind === 'scalar' && typeof value.value === 'string' ? value.value.toLowerCase() : '';
    const found = words.find((word) => word.toLowerCase() === text);
    if (found === undefined) {
      this.fail(key, words.length === 1 ? `must be ${first}` : `must be one of ${words.join(', ')}`);
    }
    return found ?? first;
  }

  /** Seconds. */
  duration(key: string, { min, max }: Range): number | undefined {
    const value = this.take(key);
    if (value === undefined) return undefined;
    const seconds = value.kind === 'scalar' ? durationSeconds(value.value) : undefined;
    if (seconds === undefined) this.fail(key, 'must be a duration such as 90, 90s, 5m or 2h');
    else if (seconds < min || seconds > max) this.fail(key, `must be from ${min} to ${max} seconds`);
    else return seconds;
    return min;
  }

  map(key: string): Mapping | undefined {
    const value = this.take(key);
    if (value === undefined || value.kind === 'mapping') return value;
    this.fail(key, 'must be a map');
    return undefined;
  }

  list(key: string): List | undefined {
    const value = this.take(key);
    if (value === undefined || value.kind === 'list') return value;
    this.fail(key, 'must be a list');
    return undefined;
  }

  /** Members that nothing asked for. */
  get others(): Mapping {
    const members = [...this.#mapping.members].filter(([key]) => !this.#read.has(key));
    return { ...this.#mapping, members: new Map(members) };
  }

  /** Warns of members that nothing asked for: most are misspelt. */
  warnOfOthers(): void {
    for (const [key, { at }] of this.others.members) {
      this.#findings.warn(at, this.pathOf(key), 'is not a known key and has no effect');
    }
  }

  /** Members that nothing asked for, as they are. */
  rest(): Record<string, unknown> {
    return plainMembers(this.others);
  }
}
