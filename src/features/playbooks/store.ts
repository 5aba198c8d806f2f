import { type Database, sql } from '../../platform/db.ts';

/** A playbook as it is stored and answered (spec 06 section 2). */
export interface PlaybookRow {
  playbook_id: number;
  name: string;
  description: string;
  yaml_content: string;
  version: number;
  active: boolean;
  trigger_type: TriggerType;
  created_at: Date;
  updated_at: Date;
}

/** `alert` when a trigger is enabled. */
export const TRIGGER_TYPES = ['alert', 'manual'] as const;
export type TriggerType = (typeof TRIGGER_TYPES)[number];

/** What a text says that playbooks are found by, and the text. */
export interface Content {
  name: string;
  description: string;
  yaml_content: string;
  script_names: readonly string[];
}

/** By whom and when. */
export interface Deed {
  actor: string;
  at: Date;
}

export interface Filter {
  active: boolean | undefined;
  trigger_type: TriggerType | undefined;
}

const SHOWN = sql`
  select playbook.playbook_id, playbook.name, playbook.description, current.yaml_content, playbook.version,
    playbook.active, playbook.created_at, playbook.updated_at,
    case when exists (select from medic.triggers where triggers.playbook_id = playbook.playbook_id and enabled)
      then 'alert' else 'manual' end as trigger_type
  from medic.playbooks playbook
  join medic.playbook_versions current using (playbook_id, version)`;

const matching = ({ active, trigger_type }: Filter) => sql`
  where (${active ?? null}::boolean is null or active = ${active ?? null})
    and (${trigger_type ?? null}::text is null or trigger_type = ${trigger_type ?? null})`;

/** Newest first. */
export async function list(
  db: Database,
  filter: Filter,
  page: { limit: number; offset: number },
): Promise<PlaybookRow[]> {
  const { rows } = await db.query<PlaybookRow>(sql`
    select * from (${SHOWN}) shown ${matching(filter)}
    order by playbook_id desc limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function count(db: Database, filter: Filter): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from (${SHOWN}) shown ${matching(filter)}`);
  return rows[0]?.count ?? 0;
}

export async function find(db: Database, playbookId: number): Promise<PlaybookRow | undefined> {
  const { rows } = await db.query<PlaybookRow>(sql`
    select * from (${SHOWN}) shown where playbook_id = ${playbookId}`);
  return rows[0];
}

/** Changes of one playbook and of its triggers happen one after the other. @returns whether there is one. */
export async function lock(db: Database, playbookId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    select from medic.playbooks where playbook_id = ${playbookId} for update`);
  return rowCount === 1;
}

/** @returns its id; its first version is stored with it. */
export async function insert(
  db: Database,
  { name, description, script_names, yaml_content }: Content,
  active: boolean,
  { actor, at }: Deed,
): Promise<number> {
  const { rows } = await db.query<{ playbook_id: number }>(sql`
    with playbook as (
      insert into medic.playbooks (name, description, script_names, active, created_at, updated_at)
      values (${name}, ${description}, ${script_names}, ${active}, ${at}, ${at})
      returning playbook_id, version
    )
    insert into medic.playbook_versions (playbook_id, version, name, yaml_content, created_by, created_at)
    select playbook_id, version, ${name}, ${yaml_content}, ${actor}, ${at} from playbook
    returning playbook_id`);
  return (rows[0] as { playbook_id: number }).playbook_id;
}

/** The next version, when `version` is the current one. @returns whether it was. */
export async function insertVersion(
  db: Database,
  { playbook_id, version }: Pick<PlaybookRow, 'playbook_id' | 'version'>,
  { name, description, script_names, yaml_content }: Content,
  { actor, at }: Deed,
): Promise<boolean> {
  const { rowCount } = await db.query(sql`
    with playbook as (
      update medic.playbooks set
        name = ${name}, description = ${description}, script_names = ${script_names}, version = version + 1,
        updated_at = ${at}
      where playbook_id = ${playbook_id} and version = ${version}
      returning playbook_id, version
    )
    insert into medic.playbook_versions (playbook_id, version, name, yaml_content, created_by, created_at)
    select playbook_id, version, ${name}, ${yaml_content}, ${actor}, ${at} from playbook`);
  return rowCount === 1;
}

export async function setActive(db: Database, playbookId: number, active: boolean, now: Date): Promise<void> {
  await db.query(sql`
    update medic.playbooks set active = ${active}, updated_at = ${now} where playbook_id = ${playbookId}`);
}

/** @returns whether there was one; its versions and triggers go with it. */
export async function remove(db: Database, playbookId: number): Promise<boolean> {
  const { rowCount } = await db.query(sql`delete from medic.playbooks where playbook_id = ${playbookId}`);
  return rowCount === 1;
}

/** A version that was stored once (spec 06 section 2: all stay readable). */
export interface VersionRow {
  playbook_id: number;
  version: number;
  name: string;
  yaml_content: string;
  created_by: string;
  created_at: Date;
}

const VERSION = sql`playbook_id, version, name, yaml_content, created_by, created_at`;

/** Newest first. */
export async function versions(
  db: Database,
  playbookId: number,
  page: { limit: number; offset: number },
): Promise<VersionRow[]> {
  const { rows } = await db.query<VersionRow>(sql`
    select ${VERSION} from medic.playbook_versions where playbook_id = ${playbookId}
    order by version desc limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function countVersions(db: Database, playbookId: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.playbook_versions where playbook_id = ${playbookId}`);
  return rows[0]?.count ?? 0;
}

export async function findVersion(
  db: Database,
  playbookId: number,
  version: number,
): Promise<VersionRow | undefined> {
  const { rows } = await db.query<VersionRow>(sql`
    select ${VERSION} from medic.playbook_versions
    where playbook_id = ${playbookId} and version = ${version}`);
  return rows[0];
}

/** Those of these names that are secrets. */
export async function knownSecrets(db: Database, names: readonly string[]): Promise<Set<string>> {
  if (names.length === 0) return new Set();
  const { rows } = await db.query<{ name: string }>(sql`
    select name from medic.secrets where name = any(${names})`);
  return new Set(rows.map(({ name }) => name));
}
