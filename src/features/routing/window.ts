/** A time in which a window covers its services: the start is inside, the end is not. */
export interface Span {
  start: Date;
  end: Date;
}

/** A maintenance window (spec 04 section 6). */
export interface Window {
  startsAt: Date;
  endsAt: Date;
  /** The first occurrence strictly after an instant; null: the window takes place once. */
  next: ((after: Date) => Date | null) | null;
}

const MINUTE_MS = 60_000;
/** Far beyond every window, and an instant that PostgreSQL and JavaScript write alike. */
const NEVER_MS = Date.UTC(9999, 11, 31);
/** Occurrences that are looked at in one go. */
const MOST_OCCURRENCES = 10_000;

/**
 * The time in which a window covers an instant, or null. Where occurrences overlap, it is that of the newest one that
 * has begun: the one that ends last.
 */
export function coverage(window: Window, at: Date): Span | null {
  if (window.next === null) {
    const { startsAt: start, endsAt: end } = window;
    return start <= at && at < end ? { start, end } : null;
  }
  const start = newestOccurrence(window.next, firstCandidate(window, at), at);
  return start === null ? null : spanFrom(window, start);
}

/** When the window begins next, strictly after an instant, or null. */
export function nextStart(window: Window, after: Date): Date | null {
  const { startsAt, next } = window;
  if (next === null) return startsAt > after ? startsAt : null;
  return next(latest(after, before(startsAt)));
}

/** The times between two instants that a window covers, without overlaps, in order. */
export function covered(window: Window, from: Date, to: Date): Span[] {
  if (window.next === null) {
    const { startsAt: start, endsAt: end } = window;
    return start < to && end > from ? [{ start, end }] : [];
  }
  const spans: Span[] = [];
  let start = window.next(firstCandidate(window, from));
  for (let count = 0; start !== null && start < to && count < MOST_OCCURRENCES; count += 1) {
    const span = spanFrom(window, start);
    const last = spans.at(-1);
    if (last !== undefined && span.start <= last.end) last.end = span.end;
    else spans.push(span);
    start = window.next(start);
  }
  return spans;
}

function spanFrom(window: Window, start: Date): Span {
  const end = Math.min(start.getTime() + lengthMs(window), NEVER_MS);
  return { start, end: new Date(end) };
}

/** Elapsed time, whatever the clocks do meanwhile. */
function lengthMs({ startsAt, endsAt }: Window): number {
  return endsAt.getTime() - startsAt.getTime();
}

/** What an occurrence must lie after to cover an instant. */
function firstCandidate(window: Window, at: Date): Date {
  return latest(new Date(at.getTime() - lengthMs(window)), before(window.startsAt));
}

/** The newest occurrence after `from` and not after `to`, or null: by halves, since a long window may hold thousands. */
function newestOccurrence(next: (after: Date) => Date | null, from: Date, to: Date): Date | null {
  let newest = next(from);
  if (newest === null || newest > to) return null;
  // Between `empty` and `to` there is no occurrence.
  let empty = to.getTime();
  while (empty - newest.getTime() > MINUTE_MS) {
    const middle = new Date((newest.getTime() + empty) / 2);
    const later = next(middle);
    if (later !== null && later <= to) newest = later;
    else empty = middle.getTime();
  }
  for (let later = next(newest); later !== null && later <= to; later = next(later)) newest = later;
  return newest;
}

function before(instant: Date): Date {
  return new Date(instant.getTime() - 1);
}

function latest(one: Date, other: Date): Date {
  return one > other ? one : other;
}
