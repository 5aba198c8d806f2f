import type { Transaction } from '../../platform/db.ts';
import { type Change, type ManageContext, recordConfiguration } from '../audit/configuration.ts';

export { changedMembers, type ManageContext, unknown, unlessTaken } from '../audit/configuration.ts';

/** As `recordConfiguration`, of this feature. */
export function recordChange(
  tx: Transaction,
  context: Pick<ManageContext, 'clock' | 'log'>,
  change: Omit<Change, 'feature'>,
): Promise<void> {
  return recordConfiguration(tx, context, { ...change, feature: 'routing' });
}
