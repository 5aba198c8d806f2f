import type { Settings } from './settings.ts';

/** What a snapshot was taken before, `action_type` (spec 06 section 10). */
export const SNAPSHOT_KINDS = [
  'deactivate',
  'activate',
  'mute',
  'unmute',
  'priority_change',
  'team_change',
  'edit',
  'bulk_edit',
  'delete',
  'restore',
] as const;
export type SnapshotKind = (typeof SNAPSHOT_KINDS)[number];

/** Names of the configuration columns that differ. */
export function changedFields(before: Settings, after: Settings): string[] {
  return Object.keys(after).filter(
    (name) => before[name as keyof Settings] !== after[name as keyof Settings],
  );
}

/** What a change is kept as: the first that applies; null: nothing changes. */
export function kindOf(
  fields: readonly string[],
  after: { active: boolean; muted: boolean },
): SnapshotKind | null {
  if (fields.length === 0) return null;
  if (fields.includes('active')) return after.active ? 'activate' : 'deactivate';
  if (fields.includes('muted')) return after.muted ? 'mute' : 'unmute';
  if (fields.includes('priority')) return 'priority_change';
  if (fields.includes('team') || fields.includes('team_id')) return 'team_change';
  return 'edit';
}
