/**
 * Manages teams (spec 04 section 3).
 * In: a validated request. Out: a team; its services lose their `team_id` when it is removed.
 * Crash: each verb is one transaction.
 */
import { changedMembers, type ManageContext, recordChange, unknown, unlessTaken } from './context.ts';
import * as store from './store-teams.ts';

export type { Team } from './store-teams.ts';

export interface TeamInput {
  name?: string;
  /** An empty text counts as unset. */
  slack_channel_id?: string | null;
}

/** Throws `conflict` when the name is taken, in any letter case. */
export function createTeam(
  context: ManageContext,
  input: TeamInput & { name: string },
  actor: string,
): Promise<store.Team> {
  const settings = { name: input.name, slack_channel_id: input.slack_channel_id || null };
  return context.db.transaction(async (tx) => {
    const team_id = await unlessTaken('team', input.name, () => store.insert(tx, settings));
    await recordChange(tx, context, {
      entity: 'team',
      entityId: team_id,
      action: 'create',
      fields: Object.keys(input),
      actor,
    });
    return { team_id, ...settings };
  });
}

/** Throws `not_found`, and `conflict` when the name is taken. */
export function changeTeam(
  context: ManageContext,
  teamId: number,
  input: TeamInput,
  actor: string,
): Promise<store.Team> {
  return context.db.transaction(async (tx) => {
    const before = await store.lock(tx, teamId);
    if (before === undefined) throw unknown('team', teamId);
    const { name = before.name, slack_channel_id = before.slack_channel_id } = input;
    const after = { team_id: teamId, name, slack_channel_id: slack_channel_id || null };
    const fields = changedMembers(before, after);
    if (fields.length === 0) return before;
    await unlessTaken('team', name, () => store.update(tx, after));
    await recordChange(tx, context, { entity: 'team', entityId: teamId, action: 'update', fields, actor });
    return after;
  });
}

/** Throws `not_found`. */
export function removeTeam(context: ManageContext, teamId: number, actor: string): Promise<void> {
  return context.db.transaction(async (tx) => {
    if (!(await store.remove(tx, teamId))) throw unknown('team', teamId);
    await recordChange(tx, context, {
      entity: 'team',
      entityId: teamId,
      action: 'delete',
      fields: [],
      actor,
    });
  });
}
