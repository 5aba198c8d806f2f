import type { Database } from '../../platform/db.ts';
import { auditEntry, CSV_HEADER, csvOf } from './resource.ts';
import * as store from './store.ts';

const BATCH = 500;

/** What is around and between the entries of each format. */
const FORMATS = {
  csv: { head: CSV_HEADER, entry: csvOf, between: '', tail: '' },
  json: {
    head: '[',
    entry: (row: store.EntryRow) => JSON.stringify(auditEntry(row)),
    between: ',\n',
    tail: ']\n',
  },
};
export type ExportFormat = keyof typeof FORMATS;
export const EXPORT_FORMATS = Object.keys(FORMATS) as ExportFormat[];

/**
 * Everything that matches, newest first, in batches: memory does not grow with it, and no transaction is held while
 * the reader is slow.
 * In: audit entries. Out: text. Crash: a database that fails in the middle rejects, so that the answer breaks off and
 * nobody takes it for complete.
 * @returns once the first batch is there: a database that is away is known before anything is answered.
 */
export async function exportEntries(
  db: Database,
  filter: store.Filter,
  format: ExportFormat,
): Promise<AsyncGenerator<string>> {
  const first = await store.listAfter(db, filter, undefined, BATCH);
  return textOf(db, filter, FORMATS[format], first);
}

async function* textOf(
  db: Database,
  filter: store.Filter,
  { head, entry, between, tail }: (typeof FORMATS)[ExportFormat],
  first: store.EntryRow[],
): AsyncGenerator<string> {
  let before = head;
  for (let batch = first; batch.length > 0; ) {
    yield before + batch.map(entry).join(between);
    before = between;
    const last = batch.at(-1);
    batch = batch.length < BATCH ? [] : await store.listAfter(db, filter, last, BATCH);
  }
  yield (first.length === 0 ? head : '') + tail;
}
