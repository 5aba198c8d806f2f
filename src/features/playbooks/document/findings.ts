import { MAX_PROBLEMS } from '../limits.ts';

/** What is wrong with a text, and where: lines and columns count from 1; `path` is empty for the whole document. */
export interface Problem {
  line: number;
  column: number;
  path: string;
  message: string;
}

interface Finding {
  at: number;
  path: string;
  message: string;
}

/** Gathers everything that is wrong with one text, so that all of it is told at once. */
export class Findings {
  readonly #errors: Finding[] = [];
  readonly #warnings: Finding[] = [];

  /** @param at characters before the place */
  error(at: number, path: string, message: string): void {
    this.#errors.push({ at, path, message });
  }

  warn(at: number, path: string, message: string): void {
    this.#warnings.push({ at, path, message });
  }

  get failed(): boolean {
    return this.#errors.length > 0;
  }

  errors(placeOf: PlaceOf): Problem[] {
    return told(this.#errors, placeOf);
  }

  warnings(placeOf: PlaceOf): Problem[] {
    return told(this.#warnings, placeOf);
  }
}

export type PlaceOf = (at: number) => { line: number; column: number };

/** In the order of the text. */
function told(findings: readonly Finding[], placeOf: PlaceOf): Problem[] {
  const inOrder = findings.toSorted((one, other) => one.at - other.at);
  const problems = inOrder.slice(0, MAX_PROBLEMS).map(({ at, path, message }) => ({
    ...placeOf(at),
    path,
    message: stepNumber(path) + message,
  }));
  const [last] = problems.slice(-1);
  const more = inOrder.length - MAX_PROBLEMS;
  if (last !== undefined && more > 0) last.message += ` (and ${more} more problems)`;
  return problems;
}

/** What is wrong with a step begins with its number, from 1 (spec 06 section 1). */
function stepNumber(path: string): string {
  const index = /^steps\[(\d+)\]/.exec(path)?.[1];
  return index === undefined ? '' : `${Number(index) + 1}: `;
}

const LONGEST_KEY = 60;

/** The path of a member; a key that is absurdly long is cut. */
export function member(path: string, key: string): string {
  const shown = key.length > LONGEST_KEY ? `${key.slice(0, LONGEST_KEY).toWellFormed()}…` : key;
  return path === '' ? shown : `${path}.${shown}`;
}
