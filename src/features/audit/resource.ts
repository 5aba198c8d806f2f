import { type Static, Type } from 'typebox';
import { Instant, Nullable } from '../../platform/schema.ts';
import { csvLine } from './csv.ts';
import { ACTION_TYPES } from './entry.ts';
import type { EntryRow } from './store.ts';

/** An entry as v2 shows it (spec 06 section 9). */
export const AuditEntry = Type.Object({
  log_id: Type.Integer(),
  execution_id: Nullable(Type.Integer()),
  playbook_id: Nullable(Type.Integer()),
  service_id: Nullable(Type.Integer()),
  action_type: Type.String({ enum: [...ACTION_TYPES] }),
  details: Type.Unsafe<object>({ type: 'object', additionalProperties: true }),
  actor: Nullable(Type.String()),
  timestamp: Instant,
  created_at: Instant,
});

/** An entry is written in the transaction of what it tells of: both times are one. */
export function auditEntry({ occurred_at, ...row }: EntryRow): Static<typeof AuditEntry> {
  const at = occurred_at.toISOString();
  return { ...row, timestamp: at, created_at: at };
}

export const CSV_HEADER = csvLine([
  'log_id',
  'execution_id',
  'action_type',
  'actor',
  'timestamp',
  'created_at',
  'details',
]);

export function csvOf(row: EntryRow): string {
  const at = row.occurred_at.toISOString();
  return csvLine([
    row.log_id,
    row.execution_id,
    row.action_type,
    row.actor,
    at,
    at,
    JSON.stringify(row.details),
  ]);
}
