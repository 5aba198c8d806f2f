import type { Transaction } from '../../platform/db.ts';
import { type Change, type ManageContext, recordConfiguration } from '../audit/configuration.ts';

export type { ManageContext } from '../audit/configuration.ts';

/** As `recordConfiguration`, of this feature. */
export function recordChange(
  tx: Transaction,
  context: Pick<ManageContext, 'clock' | 'log'>,
  change: Omit<Change, 'feature' | 'serviceId'>,
): Promise<void> {
  return recordConfiguration(tx, context, { ...change, feature: 'playbooks' });
}
