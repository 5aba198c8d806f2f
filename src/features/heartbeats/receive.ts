import type { Clock } from '../../platform/clock.ts';
import { type DatabasePool, isUnavailable } from '../../platform/db.ts';
import { bisecting, GroupCommit } from '../../platform/group-commit.ts';
import { type Logger, named } from '../../platform/logging.ts';
import type { AlertContext } from '../alerts/context.ts';
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
type Refusal = Extract<Receipt, { fate: 'refused' }>;

function receiptOf(row: FateRow | Refusal): Receipt {
  if (row.fate === 'refused') return row;
  const { fate, service_id, heartbeat_name } = row;
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
   * Rejects when the database is away or refuses this report, and with `overloaded` when too many wait.
   */
  async receive(report: Omit<Item, 'receivedAt'>): Promise<Exclude<Receipt, Refusal>> {
    const receipt = await this.#queue.submit({ ...report, receivedAt: this.#context.clock.now() });
    if (receipt.fate === 'refused') throw receipt.error;
    return receipt;
  }

  /** Resolves when no report is waiting any more. */
  drain(): Promise<void> {
    return this.#queue.drain();
  }

  async #flush(items: readonly Item[]): Promise<Receipt[]> {
    const rows = await this.#settled(items, (batch) => recordHealthy(this.#context.db, batch));
    const receipts = rows.map(receiptOf);
    const deferred = rows.flatMap((row, index) =>
      row.fate === 'deferred'
        ? [{ index, item: items[index] as Item, serviceId: row.service_id as number }]
        : [],
    );
    const judged = await this.#settled(deferred, (batch) =>
      this.#context.db.transaction((tx) => judgeReports(tx, this.#context, batch)),
    );
    deferred.forEach(({ index }, position) => {
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
  ): Promise<(Result | Refusal)[]> {
    if (batch.length === 0) return [];
    return bisecting<One, Result | Refusal>(batch, run, isUnavailable, (_one, error) => {
      this.#log.error({ exception: error }, 'a heartbeat could not be stored');
      return { fate: 'refused', error };
    });
  }

  #count(item: Item, receipt: Receipt): void {
    if (receipt.fate !== 'recorded') return;
    this.#context.heartbeatMetrics.heartbeats.add(receipt.heartbeatName, item.status);
    if (this.#log.isLevelEnabled('debug'))
      this.#log.debug({ service_id: receipt.serviceId, status: item.status }, 'heartbeat');
  }
}
