import type { Transaction } from '../../platform/db.ts';
import { bounded } from './bounded.ts';
import type { Entry } from './entry.ts';
import * as store from './store.ts';

/**
 * Writes an entry of the audit log, in the transaction of what it tells of (spec 06 section 9).
 * In: what was just done. Out: a row in audit_entries. Crash: entry and deed are committed together, or neither.
 */
export function recordEntry(tx: Transaction, entry: Entry): Promise<void> {
  return recordEntries(tx, [entry]);
}

/** As `recordEntry` for several, in their order. */
export async function recordEntries(tx: Transaction, entries: readonly Entry[]): Promise<void> {
  if (entries.length === 0) return;
  await store.insert(
    tx,
    entries.map(({ details, ...entry }) => ({ ...entry, details: bounded(details) })),
  );
}
