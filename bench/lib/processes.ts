import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 10;

/** A process and all below it. */
export function familyOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = stat(Number(name))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const family = [pid];
  for (const member of family) {
    for (const [child, parent] of parents) if (parent === member) family.push(child);
  }
  return family;
}

/** Processor time that processes have used so far, in milliseconds, with their children that have ended. */
export function processorMs(pids: readonly number[]): number {
  const ticks = pids.flatMap((pid) => stat(pid)?.slice(11, 15).map(Number) ?? []);
  return ticks.reduce((total, count) => total + count, 0) * TICK_MS;
}

/**
 * Processor time that the whole machine has used so far, in milliseconds, whoever used it: other programs make every
 * number worse, and those that need both cores the most.
 */
export function machineMs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)
    .flatMap((line) => line.trim().split(/\s+/).slice(1).map(Number));
  return (user + nice + system + irq + softIrq) * TICK_MS;
}

/** Resident memory of a process in MB. */
export function residentMb(pid: number): number {
  return kilobytes(`/proc/${pid}/status`, 'VmRSS') / 1024;
}

/** Memory of processes in MB, pages that several of them share counted once. */
export function proportionalMb(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + kilobytes(`/proc/${pid}/smaps_rollup`, 'Pss'), 0) / 1024;
}

function kilobytes(file: string, member: string): number {
  return Number(new RegExp(`^${member}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
}

/** The fields of /proc/<pid>/stat after the name, which may itself contain blanks: state, parent, … */
function stat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
