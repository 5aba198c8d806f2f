import type { Parts } from './app.ts';
import { forgetEndedSessions } from './features/access/sessions.ts';
import { endMutes, nextMuteEnd } from './features/alerts/mute.ts';
import { retainAlerts } from './features/alerts/retain.ts';
import { retainAuditEntries } from './features/audit/retain.ts';
import { detectDue, nextCheck, type Round, SETTLING_MS } from './features/heartbeats/detect.ts';
import { FORGET_TASK, forgetEvents } from './features/heartbeats/forget.ts';
import { forgetOldOutages } from './features/heartbeats/liveness.ts';
import { maintainPartitions, retainRuns } from './features/heartbeats/retain.ts';
import { sweep } from './features/heartbeats/sweep.ts';
import { lockService } from './features/heartbeats/watch.ts';
import { deliver, requeueStranded } from './features/notifications/deliver.ts';
import { DELIVER_TASK } from './features/notifications/outbox.ts';
import { retainNotifications } from './features/notifications/retain.ts';
import { retainSnapshots } from './features/services/snapshots.ts';
import { oncePerDay } from './platform/daily.ts';
import { JobRunner, type Task } from './platform/jobs.ts';
import { named } from './platform/logging.ts';
import { repeat } from './platform/repeat.ts';

/** The detector sleeps until the next deadline, at least and at most this long. */
const SHORTEST_SLEEP_MS = 10;
const LONGEST_SLEEP_MS = 1_000;
/** When something is due that no round could judge, such as a broken row, or anything while nobody can report. */
const SLEEP_WHEN_STUCK_MS = 500;
const LONG_OVERDUE_MS = 1_000;
const STALLED_AFTER_MS = 60_000;
const DEAF_TOLD_AFTER_MS = 60_000;
const DAY_MS = 86_400_000;

/** What the job runner can do, by task name. */
export function tasksOf(parts: Parts): Record<string, Task> {
  const { context } = parts;
  return {
    [DELIVER_TASK]: (payload) => deliver(context, String(payload.delivery_id)),
    [FORGET_TASK]: (payload) => forgetEvents(context.db, Number(payload.service_id), Number(payload.up_to)),
  };
}

/** One round of what happens by the clock: deadlines, and mutes that end. */
export async function runRound({ context }: Parts): Promise<Round> {
  const round = await detectDue(context);
  await endMutes(context.db, context, context.clock.now(), lockService);
  return round;
}

/** The reconciliation that backs up the exact timers; finds nothing to do in normal operation. */
export async function runSweep({ context }: Parts): Promise<number> {
  const started = performance.now();
  const repaired = (await sweep(context)) + (await requeueStranded(context));
  context.heartbeatMetrics.sweepSeconds.observe((performance.now() - started) / 1000);
  return repaired;
}

/** Partitions and retention, once in each UTC day. */
export function runDaily({ context, settings }: Parts): Promise<boolean> {
  const { db, log } = context;
  const now = context.clock.now();
  const before = (days: number) => new Date(now.getTime() - days * DAY_MS);
  return oncePerDay(db, 'retention', now, async () => {
    await maintainPartitions(db, log, now, settings.HEARTBEAT_RETENTION_DAYS);
    await retainNotifications(db, before(settings.MEDIC_DELIVERY_RETENTION_DAYS));
    await retainAlerts(db, before(settings.MEDIC_HISTORY_RETENTION_DAYS));
    await retainRuns(db, before(settings.MEDIC_HISTORY_RETENTION_DAYS));
    await retainAuditEntries(db, before(settings.MEDIC_AUDIT_RETENTION_DAYS));
    await retainSnapshots(db, before(settings.MEDIC_HISTORY_RETENTION_DAYS));
    await forgetOldOutages(db, now);
    await forgetEndedSessions(db, now);
  });
}

/** The `worker` role: detector, sweep, daily tasks and job runner. */
export class Worker {
  readonly #parts: Parts;
  readonly #jobs: JobRunner;
  readonly #stop = new AbortController();
  #lastRound = performance.now();
  #startedAt = 0;
  #silenceTold = Number.NEGATIVE_INFINITY;
  #loops: Promise<void>[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
    const { db, clock, log } = parts.context;
    this.#jobs = new JobRunner(db, clock, log, tasksOf(parts));
  }

  start(): void {
    const { log, clock } = this.#parts.context;
    const { signal } = this.#stop;
    this.#startedAt = clock.now().getTime();
    const sweepEveryMs = this.#parts.settings.WORKER_INTERVAL_SECONDS * 1000;
    this.#jobs.start();
    this.#loops = [
      repeat('detector', log, signal, async () => {
        const { silentMs } = await runRound(this.#parts);
        this.#lastRound = performance.now();
        this.#tellSilence(silentMs);
        return this.#untilNextDeadline();
      }),
      repeat('sweep', log, signal, async () => {
        await runSweep(this.#parts);
        await runDaily(this.#parts);
        return sweepEveryMs;
      }),
    ];
  }

  /** False when the detector has not completed a round for a minute. */
  isAlive(): boolean {
    return performance.now() - this.#lastRound < STALLED_AFTER_MS;
  }

  /** Ends the loops after their present round and gives jobs in flight `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#loops, this.#jobs.stop(timeoutMs)]);
  }

  /** A worker that must not judge, since nobody can receive, says so once a minute. */
  #tellSilence(silentMs: number | null): void {
    const { log, clock } = this.#parts.context;
    const now = clock.now().getTime();
    // Where none ever could, as in a new installation, the first may be on its way.
    const silent = silentMs ?? now - this.#startedAt;
    if (silent < DEAF_TOLD_AFTER_MS || now - this.#silenceTold < DEAF_TOLD_AFTER_MS) return;
    this.#silenceTold = now;
    named(log, 'detector').error(
      { silent_ms: silentMs },
      'no process can receive heartbeats, so nothing is judged: is the api role running?',
    );
  }

  /** What is long overdue after a round could not be judged: it is tried again, not retried hot. */
  #untilJudged(check: number, now: number): number {
    const until = check + SETTLING_MS + 1 - now;
    return until < -LONG_OVERDUE_MS ? SLEEP_WHEN_STUCK_MS : until;
  }

  async #untilNextDeadline(): Promise<number> {
    const { db, clock } = this.#parts.context;
    const [check, mute] = await Promise.all([nextCheck(db), nextMuteEnd(db)]);
    const now = clock.now().getTime();
    const untilCheck = check === null ? LONGEST_SLEEP_MS : this.#untilJudged(check.getTime(), now);
    // A mute that is over and still there could not be ended: it is tried again, not retried hot.
    const untilMute = mute === null || mute.getTime() <= now ? LONGEST_SLEEP_MS : mute.getTime() - now;
    return Math.min(Math.max(Math.min(untilCheck, untilMute), SHORTEST_SLEEP_MS), LONGEST_SLEEP_MS);
  }
}
