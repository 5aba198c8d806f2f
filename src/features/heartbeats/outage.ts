/** A time in which Medic itself could not receive anything (spec 01 section 8). */
export interface Outage {
  startedAt: Date;
  endedAt: Date;
}

/** For so long after the last record a process may have lived on and heard reports. */
const LIVES_ON_MS = 4_000;

/**
 * A deadline with its amnesty: extended by each outage that began before it passed and ended after `anchor`, the
 * instant it counts from. Reports sent meanwhile are lost, and the next may take a whole period: `wholePeriodMs`
 * after the end of an outage is the least; 0 where that does not apply.
 * @param outages by their start.
 */
export function extended(
  deadline: Date,
  anchor: Date,
  outages: readonly Outage[],
  wholePeriodMs: number,
): Date {
  let at = deadline.getTime();
  for (const { startedAt, endedAt } of outages) {
    const [start, end] = [startedAt.getTime(), endedAt.getTime()];
    if (end <= anchor.getTime()) continue;
    if (start > at) break;
    // What reported in an outage was heard as it ended, before that was recorded: only the rest of it was lost.
    const inside = wholePeriodMs > 0 && anchor.getTime() > start + LIVES_ON_MS;
    at = Math.max(at + end - (inside ? anchor.getTime() : start), end + wholePeriodMs);
  }
  return new Date(at);
}

/** Milliseconds between two instants in which Medic could receive. */
export function receivingTime(from: Date, to: Date, outages: readonly Outage[]): number {
  let time = to.getTime() - from.getTime();
  for (const { startedAt, endedAt } of outages) {
    const overlap = Math.min(endedAt.getTime(), to.getTime()) - Math.max(startedAt.getTime(), from.getTime());
    if (overlap > 0) time -= overlap;
  }
  return time;
}

/** The instant at which `milliseconds` of receiving time have passed since `from`. */
export function afterReceiving(from: Date, milliseconds: number, outages: readonly Outage[]): Date {
  let at = from.getTime() + milliseconds;
  for (const { startedAt, endedAt } of outages) {
    const [start, end] = [Math.max(startedAt.getTime(), from.getTime()), endedAt.getTime()];
    if (end > from.getTime() && start < at) at += end - start;
  }
  return new Date(at);
}

/** How long Medic was away between the first of the signs of life, or the beginning of monitoring, and now. */
export function outageSeconds(
  monitoringSince: Date,
  signs: readonly Date[],
  { now, outages }: { now: Date; outages: readonly Outage[] },
): number {
  const [newest] = signs;
  const from = newest !== undefined && newest > monitoringSince ? newest : monitoringSince;
  return Math.round((now.getTime() - from.getTime() - receivingTime(from, now, outages)) / 1000);
}

/** Far beyond every run, and near enough for PostgreSQL and JavaScript to agree on it. */
const NEVER_MS = Date.UTC(9999, 0, 1);

/** When a run that goes on becomes stale, or null without a limit (spec 02 section 4). */
export function staleAt(
  startedAt: Date,
  maxDurationMs: number | null,
  outages: readonly Outage[] = [],
): Date | null {
  if (maxDurationMs === null) return null;
  const limit = new Date(Math.min(startedAt.getTime() + maxDurationMs, NEVER_MS));
  // Of an outage in which the run was started, only the rest counts.
  const sinceStart = outages.map((outage) => ({
    ...outage,
    startedAt: outage.startedAt > startedAt ? outage.startedAt : startedAt,
  }));
  return extended(limit, startedAt, sinceStart, 0);
}
