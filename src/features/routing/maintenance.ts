/**
 * Which services are in maintenance, and until when (spec 03 section 6, spec 04 section 6).
 * In: maintenance_windows. Out: values only, and the lock of what they rest on. Crash: nothing is left.
 */
import type { Database, Transaction } from '../../platform/db.ts';
import { type Logger, named } from '../../platform/logging.ts';
import { windowOf } from './evaluate.ts';
import type { WindowRow } from './store-windows.ts';
import * as store from './store-windows.ts';
import { coverage, covered, type Span } from './window.ts';

/** The window that covers a service, or the one of several that ends last. */
export interface Covering {
  windowId: number;
  windowName: string;
  end: Date;
}

/** Why no alert of a service opens at an instant. */
export interface Hold {
  /** Null: a window is being changed; what it will be, is asked again at `until`. */
  windowId: number | null;
  windowName: string;
  /** When the service is judged again. */
  until: Date;
}

/** What windows mean for some services at an instant. */
export interface Maintenance {
  holdOf(serviceId: number): Hold | undefined;
  /** The times since `from` in which the service was covered; they may overlap. */
  coveredSince(serviceId: number, from: Date): Span[];
}

export const NO_MAINTENANCE: Maintenance = { holdOf: () => undefined, coveredSince: () => [] };

/** The services that windows cover at an instant, for reading: judging tells of a window that cannot be evaluated. */
export async function coveringWindows(
  db: Database,
  serviceIds: readonly number[],
  at: Date,
): Promise<Map<number, Covering>> {
  if (serviceIds.length === 0) return new Map();
  return coveringOf(await evaluated(db, serviceIds, { from: at, to: at }), serviceIds);
}

/**
 * What holds back the alerts of services at an instant. The windows that it rests on do not change before the
 * transaction ends, so that a change finds whatever was held back by them. The caller holds the state rows.
 * @param from the earliest instant that `coveredSince` will be asked about.
 */
export async function maintenanceOf(
  tx: Transaction,
  log: Logger,
  serviceIds: readonly number[],
  { from, at }: { from: Date; at: Date },
): Promise<Maintenance> {
  if (serviceIds.length === 0) return NO_MAINTENANCE;
  const windows = await evaluated(tx, serviceIds, { from, to: at }, (windowId, exception) =>
    named(log, 'maintenance').error(
      { window_id: windowId, exception },
      'a maintenance window cannot be evaluated',
    ),
  );
  if (windows.length === 0) return NO_MAINTENANCE;
  const covering = coveringOf(windows, serviceIds);
  const used = new Set([...covering.values()].map(({ windowId }) => windowId));
  const rows = windows.map(({ row }) => row).filter(({ window_id }) => used.has(window_id));
  const kept = new Set(rows.length === 0 ? [] : await store.keepAsRead(tx, rows));
  return {
    holdOf(serviceId) {
      const one = covering.get(serviceId);
      if (one === undefined) return undefined;
      const { windowId, windowName, end } = one;
      return kept.has(windowId)
        ? { windowId, windowName, until: end }
        : { windowId: null, windowName, until: at };
    },
    coveredSince: (serviceId, since) =>
      windows
        .filter(({ row }) => row.all_services || row.service_ids.includes(serviceId))
        .flatMap(({ row }) => covered(windowOf(row), since, at)),
  };
}

interface Evaluated {
  row: WindowRow;
  /** The time in which the window covers the instant, or null. */
  span: Span | null;
}

/** One that cannot be evaluated is never active and stops nobody else (G7). */
async function evaluated(
  db: Database,
  serviceIds: readonly number[],
  period: { from: Date; to: Date },
  tell?: (windowId: number, error: unknown) => void,
): Promise<Evaluated[]> {
  const rows = await store.candidates(db, serviceIds, period);
  return rows.flatMap((row) => {
    try {
      return [{ row, span: coverage(windowOf(row), period.to) }];
    } catch (error) {
      tell?.(row.window_id, error);
      return [];
    }
  });
}

function coveringOf(windows: readonly Evaluated[], serviceIds: readonly number[]): Map<number, Covering> {
  const covering = new Map<number, Covering>();
  for (const { row, span } of windows) {
    if (span === null) continue;
    const one = { windowId: row.window_id, windowName: row.name, end: span.end };
    for (const serviceId of row.all_services ? serviceIds : row.service_ids) {
      const other = covering.get(serviceId);
      if (other === undefined || one.end > other.end) covering.set(serviceId, one);
    }
  }
  return covering;
}
