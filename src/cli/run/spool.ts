import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A signal that has not been delivered, as it lies on disk. Holds no key. */
export interface Entry {
  name: string;
  kind: 'start' | 'complete' | 'fail';
  at: string;
  runId: string;
  message: string | null;
  durationMs?: number;
}

/** What became of an entry: `later` ends the round. */
export type Delivered = 'sent' | 'dropped' | 'later';

const MOST_ENTRIES = 500;
const MOST_BYTES = 5 * 1024 * 1024;
const OLDEST_MS = 7 * 86_400_000;
/** A round that has sent nothing for this long has died. */
const ABANDONED_MS = 60_000;
/** Older signals that another run is sending go first, unless that takes longer. */
const WAIT_FOR_OTHERS_MS = 5_000;
const POLL_MS = 50;

/**
 * Signals for one destination, waiting on disk for the next run. One folder holds them, a file each, named by time.
 * Who sends them renames the folder first, which only one of several runs can do; a run that dies meanwhile leaves
 * its folder behind, and a later run takes it over.
 */
export class Spool {
  readonly #parent: string;
  readonly #id: string;
  readonly #warn: (problem: string) => void;

  /** @param destination what tells this destination from others; only its hash becomes a name. */
  constructor(directory: string, destination: string, warn: (problem: string) => void) {
    this.#parent = directory;
    this.#id = createHash('sha256').update(destination).digest('hex').slice(0, 16);
    this.#warn = warn;
  }

  get directory(): string {
    return this.#parent;
  }

  /** Keeps an entry. Throws when the disk does not let it. */
  append(entry: Entry): void {
    fs.mkdirSync(this.#parent, { recursive: true, mode: 0o700 });
    const draft = path.join(this.#parent, `.draft-${unique()}`);
    try {
      fs.writeFileSync(draft, JSON.stringify(entry), { mode: 0o600 });
      this.#moveIn(draft, nameOf(entry));
    } finally {
      fs.rmSync(draft, { force: true });
    }
    this.#limit();
  }

  /**
   * Sends what waits, oldest first, until `send` says `later` or `stop` says so.
   * @returns whether nothing is left, so that newer signals may follow.
   */
  async replay(send: (entry: Entry) => Promise<Delivered>, stop: () => boolean, now: Date): Promise<boolean> {
    for (let waited = 0; this.#isClaimed(now) && waited < WAIT_FOR_OTHERS_MS && !stop(); waited += POLL_MS) {
      await sleep(POLL_MS);
    }
    for (let round = 0; round < MOST_ENTRIES; round += 1) {
      const claim = this.#claim(now);
      if (claim === undefined) return !this.#isClaimed(now) && !fs.existsSync(this.#folder);
      if (!(await this.#empty(claim, send, stop, now))) return false;
    }
    return false;
  }

  get #folder(): string {
    return path.join(this.#parent, this.#id);
  }

  #claims(): { folder: string; usedAt: number }[] {
    return list(this.#parent)
      .filter((name) => name.startsWith(`${this.#id}.claim-`))
      .map((name) => {
        const folder = path.join(this.#parent, name);
        const claimedAt = Number(name.split('-')[1]);
        return {
          folder,
          usedAt: Math.max(claimedAt, fs.statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0),
        };
      });
  }

  /** Another run is sending what is older. */
  #isClaimed(now: Date): boolean {
    return this.#claims().some(({ usedAt }) => now.getTime() - usedAt < ABANDONED_MS);
  }

  /** Takes a folder for this run alone: an abandoned one first, because it is older. */
  #claim(now: Date): string | undefined {
    const abandoned = this.#claims().filter(({ usedAt }) => now.getTime() - usedAt >= ABANDONED_MS);
    for (const folder of [...abandoned.map((claim) => claim.folder), this.#folder]) {
      const claim = path.join(this.#parent, `${this.#id}.claim-${now.getTime()}-${unique()}`);
      try {
        fs.renameSync(folder, claim);
        return claim;
      } catch {
        // Not there, or another run was faster.
      }
    }
    return undefined;
  }

  async #empty(
    claim: string,
    send: (entry: Entry) => Promise<Delivered>,
    stop: () => boolean,
    now: Date,
  ): Promise<boolean> {
    for (const name of list(claim).sort()) {
      const file = path.join(claim, name);
      const entry = this.#read(file, now);
      const delivered = entry === undefined ? 'dropped' : stop() ? 'later' : await send(entry);
      if (delivered === 'later') {
        this.#putBack(claim);
        return false;
      }
      fs.rmSync(file, { force: true });
    }
    fs.rmSync(claim, { recursive: true, force: true });
    return true;
  }

  #putBack(claim: string): void {
    for (const name of list(claim)) {
      try {
        this.#moveIn(path.join(claim, name), name);
      } catch {
        // Stays in the claim, which is taken over once it counts as abandoned.
        return;
      }
    }
    fs.rmSync(claim, { recursive: true, force: true });
  }

  /** Moves a file into the folder, which another run may take away at any moment. */
  #moveIn(file: string, name: string): void {
    for (let attempt = 1; ; attempt += 1) {
      fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      try {
        fs.renameSync(file, path.join(this.#folder, name));
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 10) throw error;
      }
    }
  }

  #read(file: string, now: Date): Entry | undefined {
    let entry: Entry;
    try {
      entry = JSON.parse(fs.readFileSync(file, 'utf8')) as Entry;
    } catch {
      this.#warn('a kept signal cannot be read and is dropped');
      return undefined;
    }
    if (!isEntry(entry)) {
      this.#warn('a kept signal cannot be understood and is dropped');
      return undefined;
    }
    if (now.getTime() - Date.parse(entry.at) > OLDEST_MS) {
      this.#warn(`a kept signal of ${entry.name} from ${entry.at} is older than 7 days and is dropped`);
      return undefined;
    }
    return entry;
  }

  /** Drops the oldest beyond the limits. */
  #limit(): void {
    const files = list(this.#folder).sort().reverse();
    let bytes = 0;
    files.forEach((name, index) => {
      const file = path.join(this.#folder, name);
      bytes += fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      if (index < MOST_ENTRIES && bytes <= MOST_BYTES) return;
      fs.rmSync(file, { force: true });
      this.#warn('too many signals are kept: the oldest is dropped');
    });
  }
}

/** `$XDG_STATE_HOME/medic/spool`, or `~/.local/state/medic/spool`. */
export function defaultSpool(): string {
  const given = process.env.XDG_STATE_HOME;
  if (given !== undefined && path.isAbsolute(given)) return path.join(given, 'medic', 'spool');
  return path.join(os.homedir(), '.local', 'state', 'medic', 'spool');
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { name, kind, at, runId, message, durationMs } = value as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    ['start', 'complete', 'fail'].includes(kind as string) &&
    typeof at === 'string' &&
    !Number.isNaN(Date.parse(at)) &&
    typeof runId === 'string' &&
    (message === null || typeof message === 'string') &&
    (durationMs === undefined || typeof durationMs === 'number')
  );
}

/** Sorts by time; a run may start and end within one millisecond. */
function nameOf({ at, kind }: Entry): string {
  return `${String(Date.parse(at)).padStart(15, '0')}-${kind === 'start' ? 0 : 1}-${unique()}.json`;
}

function list(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

function unique(): string {
  return `${process.pid}${randomBytes(4).toString('hex')}`;
}
