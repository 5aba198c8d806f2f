import { type DatabasePool, isUnavailable, type Transaction } from '../../platform/db.ts';
import type { Logger } from '../../platform/logging.ts';

export interface BatchWork {
  db: DatabasePool;
  log: Logger;
  /** Takes and locks services that are due, and returns their ids. */
  claim: (tx: Transaction) => Promise<number[]>;
  /** Locks one service of a refused batch, if it is still due. */
  claimOne: (tx: Transaction, serviceId: number) => Promise<boolean>;
  /** Judges the services that were claimed. */
  judge: (tx: Transaction, serviceIds: readonly number[]) => Promise<void>;
  /** Takes a service that cannot be judged out of the way. */
  setAside: (serviceId: number) => Promise<void>;
}

/**
 * Judges one batch of services in one transaction. When that is refused, each of them in a transaction of its own, so
 * that only the broken one is left behind: it is logged with its id and set aside (G7).
 * @returns how many services were claimed.
 */
export async function judgeBatch(work: BatchWork): Promise<number> {
  let claimed: number[] = [];
  try {
    await work.db.transaction(async (tx) => {
      claimed = await work.claim(tx);
      if (claimed.length > 0) await work.judge(tx, claimed);
    });
  } catch (error) {
    if (isUnavailable(error) || claimed.length === 0) throw error;
    for (const serviceId of claimed) await judgeAlone(work, serviceId);
  }
  return claimed.length;
}

async function judgeAlone(work: BatchWork, serviceId: number): Promise<void> {
  try {
    await work.db.transaction(async (tx) => {
      if (await work.claimOne(tx, serviceId)) await work.judge(tx, [serviceId]);
    });
  } catch (error) {
    if (isUnavailable(error)) throw error;
    work.log.error({ service_id: serviceId, exception: error }, 'a service could not be judged');
    await setAside(work, serviceId);
  }
}

/** A row that refuses even that stays due; the others are judged all the same. */
async function setAside({ log, setAside: postpone }: BatchWork, serviceId: number): Promise<void> {
  try {
    await postpone(serviceId);
  } catch (error) {
    if (isUnavailable(error)) throw error;
    log.error({ service_id: serviceId, exception: error }, 'a service could not be set aside');
  }
}
