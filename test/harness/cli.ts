import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '../..');
const NODE = path.join(ROOT, 'node_modules/.bin/node');
const MAIN = path.join(ROOT, 'src/main.ts');
const LIMIT_MS = 40_000;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
  /** Milliseconds from start to end. */
  took: number;
}

export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves when the program has written this text to its standard output. */
  prints(text: string): Promise<void>;
}

/** Folders and environment of one test. */
export class Terminal {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'medic-cli-test-'));
  readonly environment: Record<string, string>;

  constructor(environment: Record<string, string> = {}) {
    this.environment = { XDG_STATE_HOME: path.join(this.folder, 'state'), ...environment };
  }

  /** Runs `medic` with these arguments in a process of its own. */
  start(args: string[], options: { input?: string | Buffer; env?: Record<string, string> } = {}): Running {
    const { MEDIC_API_KEY, MEDIC_BASE_URL, MEDIC_PING_KEY, ...inherited } = process.env;
    const child = spawn(NODE, [MAIN, ...args], {
      cwd: this.folder,
      env: { ...inherited, ...this.environment, ...options.env },
    });
    const started = performance.now();
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => {});
    child.stdin.end(options.input);
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    const ended = new Promise<Ended>((resolve) => {
      child.once('close', (code, signal) => {
        clearTimeout(limit);
        resolve({
          code,
          signal,
          stdout: Buffer.concat(out),
          stderr: Buffer.concat(err).toString(),
          took: performance.now() - started,
        });
      });
    });
    const prints = (text: string) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (!Buffer.concat(out).includes(text)) return;
          child.stdout.off('data', look);
          resolve();
        };
        child.stdout.on('data', look);
        look();
      });
    return { child, ended, prints };
  }

  run(args: string[], options: { input?: string | Buffer; env?: Record<string, string> } = {}) {
    return this.start(args, options).ended;
  }

  /** Files below the folder in which signals are kept. */
  get kept(): string[] {
    const spool = path.join(this.folder, 'state/medic/spool');
    if (!fs.existsSync(spool)) return [];
    return fs
      .readdirSync(spool, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.json'))
      .map((name) => path.join(spool, name))
      .sort((a, b) => path.basename(a).localeCompare(path.basename(b)));
  }

  close(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
