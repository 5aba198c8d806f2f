import type { Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { named } from '../../platform/logging.ts';
import { announce } from './announce.ts';
import type { AlertContext } from './context.ts';
import { statesThatAccept } from './machine.ts';
import type { Acknowledgement } from './store.ts';
import * as store from './store.ts';

/**
 * Records that someone is on it, which stops reminders (spec 03 section 8). Repeating it changes nothing.
 * In: an open alert. Out: who acknowledged it, its alert event, the messages about that.
 * Crash: all of it is in the caller's transaction.
 * Throws `not_found` for an unknown alert and `conflict` for a closed one.
 */
export async function acknowledgeAlert(
  tx: Transaction,
  context: AlertContext,
  acknowledgement: Acknowledgement,
): Promise<void> {
  const { alertId, actor } = acknowledgement;
  const alert = await store.lockAlert(tx, alertId);
  if (alert === undefined) throw new MedicError('not_found', `Alert ${alertId} not found`);
  if (alert.state === 'closed') throw new MedicError('conflict', `Alert ${alertId} is closed`);
  if (!statesThatAccept('acknowledge').includes(alert.state)) return;
  await store.acknowledge(tx, acknowledgement);
  await announce(tx, context, [{ alertId, event: 'acknowledged', at: acknowledgement.at }]);
  tx.afterCommit(() => {
    named(context.log, 'alerts').info({ alert_id: alertId, actor }, 'alert acknowledged');
  });
}
