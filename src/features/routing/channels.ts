/**
 * The Slack channels that teams give their services (spec 04 section 3).
 * In: services and teams. Out: values only. Crash: nothing is left.
 */
import type { Database } from '../../platform/db.ts';
import { foldCase } from '../../platform/fold.ts';
import * as store from './store-teams.ts';

/**
 * The channel of the team in `team_id`; of the team that `team` names in any letter case, when `team_id` is null.
 * Services without one are left out.
 */
export async function slackChannels(
  db: Database,
  serviceIds: readonly number[],
): Promise<Map<number, string>> {
  const services = await store.teamsOfServices(db, serviceIds);
  const ids = services.flatMap(({ team_id }) => (team_id === null ? [] : [team_id]));
  const names = services.flatMap(({ team_id, team }) => (team_id === null ? [foldCase(team)] : []));
  const teams = await store.channels(db, [...new Set(ids)], [...new Set(names)]);
  const byId = new Map(teams.map((team) => [team.team_id, team.slack_channel_id]));
  const byName = new Map(teams.map((team) => [team.name_key, team.slack_channel_id]));
  return new Map(
    services.flatMap(({ service_id, team_id, team }) => {
      const channel = team_id === null ? byName.get(foldCase(team)) : byId.get(team_id);
      return channel === undefined ? [] : [[service_id, channel] as const];
    }),
  );
}
