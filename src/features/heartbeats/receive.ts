import type { Clock } from '../../platform/clock.ts';
import { type DatabasePool, isUnavailable } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { AlertContext } from '../alerts/context.ts';
import { bisecting, GroupCommit } from './group-commit.ts';
import { judgeReports, type Receipt } from './judge-reports.ts';
import type { HeartbeatMetrics } from './metrics.ts';
import { type FateRow, type Item, recordHealthy } from './store-events.ts';

const MAX_BATCH = 512;
const MAX_WAITING = 20_000;

export interface ReceiveContext extends AlertContext {
  db: DatabasePool;
  clock: Clock;
  log: Logger;
  heartbeatMetrics: HeartbeatMetrics;
}

/** A report that the database did not take, whatever its neighbours were. */
const REFUSED = { fate: 'refused', n: 0, service_id: null, heartbeat_name: null } as const;

function receiptOf({ fate, service_id, heartbeat_name }: FateRow): Receipt {
  if (fate === 'refused') return { fate };
  if (fate === 'inactive') return { fate };
  if (fate !== 'recorded' || service_id === null || heartbeat_name === null) return { fate: 'unknown' };
  return { fate, serviceId: service_id, heartbeatName: heartbeat_name };
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
  async receive(report: Omit<Item, 'receivedAt'>): Promise<Exclude<Receipt, { fate: 'refused' }>> {
    const receipt = await this.#queue.submit({ ...report, receivedAt: this.#context.clock.now() });
    if (receipt.fate === 'refused') throw new MedicError('internal', 'Internal server error');
    return receipt;
  }

  /** Resolves when no report is waiting any more. */
  drain(): Promise<void> {
    return this.#queue.drain();
  }

  async #flush(items: readonly Item[]): Promise<Receipt[]> {
    const rows = await this.#settled(
      items,
      (batch) => recordHealthy(this.#context.db, batch),
      () => REFUSED,
    );
    const receipts = rows.map(receiptOf);
    const deferred = [...rows.keys()].filter((index) => rows[index]?.fate === 'deferred');
    const judged = await this.#settled(
      deferred.map((index) => ({ item: items[index] as Item, serviceId: rows[index]?.service_id as number })),
      (batch) => this.#context.db.transaction((tx) => judgeReports(tx, this.#context, batch)),
      () => REFUSED,
    );
    deferred.forEach((index, position) => {
      receipts[index] = judged[position] as Receipt;
    });
    items.forEach((item, index) => {
      this.#count(item, receipts[index] as Receipt);
    });
    return receipts;
  }

  async #settled<One, Result>(
    batch: readonly One[],
    run: (batch: readonly One[]) => Promise<Result[]>,
    refused: () => Result,
  ): Promise<Result[]> {
    if (batch.length === 0) return [];
    return bisecting(batch, run, isUnavailable, (_one, error) => {
      this.#log.error({ exception: error }, 'a heartbeat could not be stored');
      return refused();
    });
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
