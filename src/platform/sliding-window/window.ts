/** What became of one request, as its bucket stands after it. */
export interface Taken {
  allowed: boolean;
  /** Requests of one window. */
  limit: number;
  /** How many more there may be now; never negative. */
  remaining: number;
  /** Until the oldest counted request leaves the window; the whole window when none is counted. */
  resetInMs: number;
}

/**
 * Counts requests in buckets over a sliding window (spec 05 section 6): what is counted at `t` counts until just
 * before `t + window`. Answers at once where it can, so that the usual case costs no promise; never fails.
 */
export interface SlidingWindow {
  /** Counts one request, unless there are `limit` in the window already. */
  take(bucket: string, limit: number): Taken | Promise<Taken>;
  /** Whether one more would be allowed; counts nothing. */
  peek(bucket: string, limit: number): Taken | Promise<Taken>;
}
