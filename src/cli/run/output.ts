import { type StdioOptions, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Tail } from './message.ts';

/** Where the command's output goes. */
export interface Output {
  readonly stdio: StdioOptions;
  readonly tail: Tail;
  /** Call when the command has been started, or could not be. */
  started(): void;
  /** Call when the command has ended: resolves when everything that it wrote has been passed on. */
  drained(): Promise<void>;
}

/** The command writes where we would write; nothing is kept. */
export function inherited(): Output {
  return { stdio: 'inherit', tail: new Tail(), started: () => {}, drained: async () => {} };
}

/** How long a pipe that others hold open must be quiet before it counts as read. */
const QUIET_MS = 50;
/** A background process that never stops writing is left to another reader after this time. */
const MOST_MS = 2_000;

/**
 * Passes the output on, byte for byte, and keeps its end. Where our own output and error are the same file, the
 * command gets one pipe for both, so that the order of its lines stays.
 *
 * @returns undefined where no pipe can be made; then pass the output on without keeping it.
 */
export function captured(): Output | undefined {
  const together = isSameFile(1, 2);
  const pipes: Pipe[] = [];
  const tail = new Tail();
  try {
    for (const fd of together ? [1] : [1, 2]) pipes.push(new Pipe(fd, tail));
  } catch {
    for (const pipe of pipes) pipe.discard();
    return undefined;
  }
  const [out, err = out] = pipes as [Pipe, Pipe?];
  return {
    tail,
    stdio: ['inherit', out.writeEnd, err?.writeEnd ?? out.writeEnd],
    started: () => {
      for (const pipe of pipes) pipe.closeWriteEnd();
    },
    drained: async () => {
      await Promise.all(pipes.map((pipe) => pipe.drained()));
    },
  };
}

/**
 * A real pipe. The pipes that Node makes for its children are sockets, and a command that opens `/dev/stdout` or
 * `/dev/stderr` fails on a socket; a FIFO whose name is gone is what a shell would have given it.
 */
class Pipe {
  readonly writeEnd: number;
  readonly #target: number;
  readonly #tail: Tail;
  readonly #source: Socket;
  #writing = false;
  #read = 0;
  #ended = false;
  #handingOver = false;

  constructor(target: number, tail: Tail) {
    const [readEnd, writeEnd] = openPipe();
    this.writeEnd = writeEnd;
    this.#target = target;
    this.#tail = tail;
    this.#source = new Socket({ fd: readEnd, readable: true, writable: false });
    this.#source.on('data', (chunk: Buffer) => this.#pass(chunk));
    this.#source.on('close', () => {
      this.#ended = true;
    });
    this.#source.on('error', () => {});
  }

  closeWriteEnd(): void {
    fs.closeSync(this.writeEnd);
  }

  discard(): void {
    this.closeWriteEnd();
    this.#source.destroy();
  }

  /** Reads on only when the chunk is written: a slow reader slows the command down, as it would without us. */
  #pass(chunk: Buffer): void {
    this.#source.pause();
    this.#writing = true;
    this.#read += chunk.length;
    this.#tail.add(chunk);
    writeAll(this.#target, chunk).then(
      () => {
        this.#writing = false;
        if (!this.#handingOver) this.#source.resume();
      },
      () => {
        // Nobody reads our output any more: with its pipe closed, the command is told as it would be without us.
        this.#writing = false;
        this.#source.destroy();
      },
    );
  }

  async drained(): Promise<void> {
    // Reading and closing take turns of the loop: most commands are done after the first few.
    for (let turn = 0; turn < 10 && !this.#ended; turn += 1) await sleep(1);
    let before = -1;
    for (let waited = 0; !this.#ended && waited < MOST_MS; waited += QUIET_MS) {
      if (this.#read === before && !this.#writing) break;
      // What its reader does not take holds us up, as it would hold up the command.
      if (this.#writing) waited -= QUIET_MS;
      before = this.#read;
      await sleep(QUIET_MS);
    }
    if (!this.#ended) await this.#handOver();
  }

  /** Background processes of the command hold the pipe open: someone else goes on to pass on what they write. */
  async #handOver(): Promise<void> {
    this.#handingOver = true;
    this.#source.pause();
    for (let turn = 0; turn < 100 && (this.#writing || this.#source.readableLength > 0); turn += 1) {
      if (!this.#writing) this.#source.read();
      else turn -= 1;
      await sleep(1);
    }
    if (this.#ended) return;
    const reader = spawn('cat', [], { stdio: [this.#source, this.#target, 'ignore'], detached: true });
    reader.on('error', () => {});
    reader.unref();
  }
}

function openPipe(): [readEnd: number, writeEnd: number] {
  for (const parent of [os.tmpdir(), '/dev/shm']) {
    let directory: string | undefined;
    try {
      directory = fs.mkdtempSync(path.join(parent, 'medic-run-'));
      const name = path.join(directory, 'output');
      if (spawnSync('mkfifo', ['-m', '600', name], { stdio: 'ignore' }).status !== 0) continue;
      const readEnd = fs.openSync(name, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      return [readEnd, fs.openSync(name, fs.constants.O_WRONLY)];
    } catch {
      // A folder that cannot be written: the next one.
    } finally {
      if (directory !== undefined) fs.rmSync(directory, { recursive: true, force: true });
    }
  }
  throw new Error('no pipe can be made');
}

/** Writes off the event loop, so that a reader that stalls holds up neither signals nor the time limit. */
async function writeAll(fd: number, chunk: Buffer): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    try {
      done += await new Promise<number>((resolve, reject) => {
        fs.write(fd, chunk, done, (error, written) => (error === null ? resolve(written) : reject(error)));
      });
    } catch (error) {
      // Somebody who shares our output has made it non-blocking, and its reader is slow.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await sleep(5);
    }
  }
}

function isSameFile(one: number, other: number): boolean {
  try {
    const [a, b] = [fs.fstatSync(one), fs.fstatSync(other)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}
