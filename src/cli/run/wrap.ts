import { randomUUID } from 'node:crypto';
import type { Destination } from './destination.ts';
import { Job, type TimeLimit } from './job.ts';
import { endMessage, hasFailed } from './message.ts';
import { captured, inherited } from './output.ts';
import { Reporter } from './reporter.ts';
import { Spool } from './spool.ts';

/** The job has ended: this long its report may take, and each retry that was asked for adds the time of an attempt. */
const REPORT_MS = 3_000;
const PER_RETRY_MS = 10_000;
/** Exit code of `--strict` when monitoring failed: EX_SOFTWARE. */
const MONITORING_FAILED = 70;

export interface RunSettings {
  command: readonly string[];
  name: string;
  /** Built after the command has been started. Throws an Error that says what is wrong with the settings. */
  destination: () => Destination;
  limit: TimeLimit | undefined;
  retries: number;
  spool: () => string;
  captureOutput: boolean;
  strict: boolean;
}

/** Runs a command and reports its start and its end. @returns the exit code. */
export async function run(settings: RunSettings): Promise<number> {
  // A client has no database whose clock would be the right one.
  const now = () => new Date();
  const output = (settings.captureOutput ? captured() : undefined) ?? inherited();
  const startedAt = now();
  const clock = performance.now();
  // The job comes first: nothing of what follows may fail before it runs.
  const job = new Job(settings.command, output, settings.limit, () => monitor.cut());
  const monitor = new Monitor(settings, now);
  const run = { name: settings.name, runId: randomUUID() };
  monitor.report({ ...run, kind: 'start', at: startedAt.toISOString(), message: null });

  const end = await job.ended;
  const endedAt = now();
  const durationMs = Math.round(performance.now() - clock);
  await output.drained();
  if (end.notStarted !== undefined) process.stderr.write(`medic: ${end.notStarted}\n`);
  await monitor.finish({
    ...run,
    kind: hasFailed(end) ? 'fail' : 'complete',
    at: endedAt.toISOString(),
    message: endMessage(end, output.tail.bytes),
    durationMs,
  });
  for (const line of monitor.warnings()) process.stderr.write(`${line}\n`);
  return settings.strict && monitor.failed ? MONITORING_FAILED : end.exit;
}

/** Everything about monitoring, so that none of its troubles reaches the job. */
class Monitor {
  readonly #name: string;
  readonly #waitMs: number;
  readonly #problems: { about?: string; message: string }[] = [];
  #reporter: Reporter | undefined;

  constructor(settings: RunSettings, now: () => Date) {
    this.#name = settings.name;
    this.#waitMs = REPORT_MS + settings.retries * PER_RETRY_MS;
    try {
      const destination = settings.destination();
      const warn = (message: string) => this.#problems.push({ message });
      const spool = new Spool(settings.spool(), destination.identity, warn);
      this.#reporter = new Reporter({ destination, spool, retries: settings.retries, now });
    } catch (error) {
      this.#note(error);
    }
  }

  get failed(): boolean {
    return this.#all().length > 0;
  }

  report(entry: Parameters<Reporter['report']>[0]): Promise<void> {
    const reported = this.#reporter?.report(entry) ?? Promise.resolve();
    return reported.catch((error: unknown) => this.#note(error));
  }

  /** Reports the end, and waits for it and for what was not told before, for a bounded time. */
  async finish(entry: Parameters<Reporter['report']>[0]): Promise<void> {
    const late = setTimeout(() => this.cut(), this.#waitMs);
    await this.report(entry);
    clearTimeout(late);
  }

  cut(): void {
    this.#reporter?.cut();
  }

  /** One line for each trouble, however many signals met it. */
  warnings(): string[] {
    const subjects = new Map<string, string[]>();
    for (const { about, message } of this.#all()) {
      const known = subjects.get(message) ?? [];
      subjects.set(message, about === undefined ? known : [...known, about]);
    }
    return [...subjects].map(([message, about]) => {
      const subject = about.length === 0 ? '' : `${about.join(' and ')} of ${this.#name} not reported: `;
      return `medic: ${subject}${message}`;
    });
  }

  #all() {
    return [...this.#problems, ...(this.#reporter?.problems ?? [])];
  }

  #note(error: unknown): void {
    this.#problems.push({ message: error instanceof Error ? error.message : String(error) });
  }
}
