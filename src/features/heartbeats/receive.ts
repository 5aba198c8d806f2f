import type { Clock } from '../../platform/clock.ts';
import { type DatabasePool, isUnavailable } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { AlertContext } from '../alerts/context.ts';
import { bisecting, GroupCommit } from './group-commit.ts';
import { judgeReports, type Receipt } from './judge-reports.ts';
import type { HeartbeatMetrics } from './metrics.ts';
import { type Item, recordHealthy } from './store-events.ts';

const MAX_BATCH = 512;
const MAX_WAITING = 20_000;

export interface ReceiveContext extends AlertContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
  heartbeatMetrics: HeartbeatMetrics;
}

/**
 * Receives heartbeats of every way in.
 * In: reports of concurrent requests. Out: rows in heartbeats, states moved; for failing services the alert
 * rows, in the same transaction.
 * Crash: what was acknowledged is committed; what was not may or may not be, and the sender repeats it.
 */
export class Ingest {
  readonly #context: ReceiveContext;
  readonly #log: Logger;
  readonly #queue: GroupCommit<Item, Receipt>;

  constructor(context: ReceiveContext) {
    this.#context = context;
    this.#log = named(context.log, 'ingest');
    this.#queue = new GroupCommit({
      flush: (items) => this.#flush(items),
      maxBatch: MAX_BATCH,
      maxWaiting: MAX_WAITING,
    });
  }

  /**
   * Resolves once the report is committed.
   * Rejects with `database_unavailable`, or `overloaded` when too many wait.
   */
  receive(report: Omit<Item, 'receivedAt'>): Promise<Receipt> {
    return this.#queue.submit({ ...report, receivedAt: this.#context.clock.now() });
  }

  /** Resolves when no report is waiting any more. */
  drain(): Promise<void> {
    return this.#queue.drain();
  }

  async #flush(items: readonly Item[]): Promise<Receipt[]> {
    const receipts = await this.#settled(items, (batch) => this.#recordHealthy(batch));
    const deferred = [...receipts.keys()].filter((index) => receipts[index] === 'deferred');
    if (deferred.length > 0) {
      const rest = deferred.map((index) => items[index] as Item);
      const judged = await this.#settled(rest, (batch) => this.#judge(batch));
      deferred.forEach((index, position) => {
        receipts[index] = judged[position] as Receipt;
      });
    }
    items.forEach((item, index) => {
      this.#count(item, receipts[index] as Receipt);
    });
    return receipts as Receipt[];
  }

  #settled<Result>(
    items: readonly Item[],
    run: (batch: readonly Item[]) => Promise<Result[]>,
  ): Promise<Result[]> {
    return bisecting(items, run, isUnavailable, (item, error) => {
      this.#log.error({ status: item.status, exception: error }, 'a heartbeat could not be stored');
      throw new MedicError('internal', 'Internal server error', { cause: error });
    });
  }

  async #recordHealthy(items: readonly Item[]): Promise<(Receipt | 'deferred')[]> {
    const rows = await recordHealthy(this.#context.db, items);
    return rows.map(({ fate, service_id, heartbeat_name }) => {
      if (fate === 'deferred') return 'deferred';
      if (fate !== 'recorded' || service_id === null || heartbeat_name === null) {
        return { fate: fate === 'inactive' ? 'inactive' : 'unknown' };
      }
      return { fate, serviceId: service_id, heartbeatName: heartbeat_name };
    });
  }

  #judge(items: readonly Item[]): Promise<Receipt[]> {
    return this.#context.db.transaction((tx) => judgeReports(tx, this.#context, items));
  }

  #count(item: Item, receipt: Receipt): void {
    if (receipt.fate !== 'recorded') return;
    this.#context.heartbeatMetrics.heartbeats.inc({
      heartbeat_name: receipt.heartbeatName,
      status: item.status,
    });
    this.#log.debug({ service_id: receipt.serviceId, status: item.status }, 'heartbeat');
  }
}
