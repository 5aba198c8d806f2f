import { chmodSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

type Undo = () => Promise<unknown> | unknown;

const undos: Undo[] = [];
let running: Promise<void> = Promise.resolve();
let stopping: Promise<void> | undefined;

/** Whether a signal ends the benches; what fails from then on is its consequence. */
export function isStopping(): boolean {
  return stopping !== undefined;
}

/** Has `undo` run at the end, however the benches end; last in, first out. */
export function atEnd(undo: Undo): void {
  undos.push(undo);
}

/** Runs what is still to be undone, one after the other also when called twice. A failure holds nothing up. */
export function cleanUp(): Promise<void> {
  running = running.then(undoAll);
  return running;
}

async function undoAll(): Promise<void> {
  for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
    try {
      await undo();
    } catch (error) {
      process.stderr.write(`clean-up: ${String(error)}\n`);
    }
  }
}

/** Ctrl-C and SIGTERM clean up first; a second one ends at once. */
export function cleanUpOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping !== undefined) process.exit(1);
      stopping = cleanUp().finally(() => process.exit(130));
    });
  }
}

/** A new folder that is removed at the end. The server of an embedded database, which is never root, may enter it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'medic-bench-'));
  chmodSync(folder, 0o711);
  atEnd(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
