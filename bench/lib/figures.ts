import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** One measured number, with the target that it is held to. */
export interface Figure {
  what: string;
  value: number;
  unit: string;
  target?: { least: number } | { most: number };
}

/** What a bench hands back: figures for the table, and everything that it saw for the file. */
export interface Outcome {
  figures: Figure[];
  runs: unknown;
}

const RESULTS_DIR = path.join(import.meta.dirname, '../results');

export function isMet({ value, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  return 'least' in target ? value >= target.least : value <= target.most;
}

/** The table of one bench. */
export function table(name: string, figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const met = isMet(figure);
    return [
      figure.what,
      `${short(figure.value)} ${figure.unit}`.trim(),
      targetOf(figure),
      met === undefined ? '' : met ? 'met' : 'MISSED',
    ];
  });
  const all = [[name, 'measured', 'target', ''], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const [head = [], ...body] = all;
  return `\n${line(head)}\n${'-'.repeat(line(head).length)}\n${body.map(line).join('\n')}\n`;
}

function targetOf({ target, unit }: Figure): string {
  if (target === undefined) return '';
  const [sign, value] = 'least' in target ? ['≥', target.least] : ['≤', target.most];
  return `${sign} ${short(value)} ${unit}`.trim();
}

function short(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return value
    .toPrecision(3)
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '');
}

/** Writes `bench/results/<name>.json`. */
export async function save(name: string, { figures, runs }: Outcome): Promise<void> {
  await mkdir(RESULTS_DIR, { recursive: true });
  const machine = { cpus: os.cpus().length, model: os.cpus()[0]?.model, node: process.version };
  const result = { name, at: new Date().toISOString(), machine, figures, runs };
  await writeFile(path.join(RESULTS_DIR, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}
