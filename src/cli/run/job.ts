import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type End, exitOfSignal } from './message.ts';
import type { Output } from './output.ts';

/** Between asking a group that has used up its time to end, and ending it. */
const KILL_AFTER_MS = 5_000;
const POLL_MS = 50;
/** The first three would end us; the others are meant for the command as well. */
const PASSED_ON = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

export interface TimeLimit {
  seconds: number;
  /** As it was given. */
  text: string;
}

/** The command that is wrapped, in a process group of its own. */
export class Job {
  readonly ended: Promise<End>;
  #child: ChildProcess | undefined;
  #running = true;
  #timedOut: string | undefined;

  /**
   * Starts the command at once. Signals are handed on to it: they end the command, and its end is what is reported.
   *
   * @param afterwards called for a signal that comes when the command has ended already
   */
  constructor(
    command: readonly string[],
    output: Output,
    limit: TimeLimit | undefined,
    afterwards: () => void,
  ) {
    for (const signal of PASSED_ON) {
      process.on(signal, () => (this.#running ? this.#kill(signal) : afterwards()));
    }
    const [file = '', ...args] = command;
    try {
      // A group can only be signalled as a whole when it is not ours; Node makes one together with a session.
      const child = spawn(file, args, { stdio: output.stdio, detached: true });
      this.#child = child;
      this.ended = new Promise((resolve) => {
        child.once('error', (error) => resolve(notStarted(file, error)));
        child.once('exit', (code, signal) =>
          resolve(signal === null ? { exit: code ?? 1 } : { exit: exitOfSignal(signal), signal }),
        );
      });
    } catch (error) {
      this.ended = Promise.resolve(notStarted(file, error as NodeJS.ErrnoException));
    }
    this.ended = this.#withLimit(limit);
    output.started();
  }

  async #withLimit(limit: TimeLimit | undefined): Promise<End> {
    const ended = this.ended;
    const timer =
      limit === undefined ? undefined : setLongTimeout(() => this.#expire(limit.text), limit.seconds * 1000);
    const end = await ended;
    timer?.cancel();
    this.#running = false;
    if (this.#timedOut === undefined) return end;
    await this.#endGroup();
    return { ...end, timedOut: this.#timedOut };
  }

  #expire(text: string): void {
    this.#timedOut = text;
    this.#kill('SIGTERM');
    setTimeout(() => this.#running && this.#kill('SIGKILL'), KILL_AFTER_MS).unref();
  }

  /** The command has ended, but what it started may not have: the group has the rest of its time, then none. */
  async #endGroup(): Promise<void> {
    for (let waited = 0; waited < KILL_AFTER_MS && this.#kill(0); waited += POLL_MS) await sleep(POLL_MS);
    this.#kill('SIGKILL');
  }

  /** @returns whether there is anybody left in the group. */
  #kill(signal: NodeJS.Signals | 0): boolean {
    const group = this.#child?.pid;
    if (group === undefined) return false;
    try {
      return process.kill(-group, signal);
    } catch {
      return false;
    }
  }
}

/** Like a shell: 127 for what is not there, 126 for what cannot be executed. */
function notStarted(file: string, error: NodeJS.ErrnoException): End {
  const [exit, reason] =
    error.code === 'ENOENT' ? [127, 'command not found'] : [126, error.code ?? error.message];
  return { exit, notStarted: `${file}: ${reason}` };
}

/** Timers of Node end at 24.8 days and fire at once beyond: longer ones are waited for in parts. */
function setLongTimeout(expire: () => void, ms: number): { cancel(): void } {
  const LONGEST_MS = 2_000_000_000;
  let timer: NodeJS.Timeout;
  const wait = (left: number) => {
    const part = Math.min(left, LONGEST_MS);
    timer = setTimeout(() => (left > part ? wait(left - part) : expire()), part);
  };
  wait(ms);
  return { cancel: () => clearTimeout(timer) };
}
