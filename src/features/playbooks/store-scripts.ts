import { type Database, sql } from '../../platform/db.ts';

export const INTERPRETERS = ['bash', 'python'] as const;

/** What an operator registers (spec 06 section 7). */
export interface Script {
  name: string;
  content: string;
  interpreter: (typeof INTERPRETERS)[number];
  timeout_seconds: number;
}

export interface ScriptRow extends Script {
  script_id: number;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = sql`script_id, name, content, interpreter, timeout_seconds, created_at, updated_at`;

/** Newest first. */
export async function list(db: Database, page: { limit: number; offset: number }): Promise<ScriptRow[]> {
  const { rows } = await db.query<ScriptRow>(sql`
    select ${COLUMNS} from medic.scripts order by script_id desc limit ${page.limit} offset ${page.offset}`);
  return rows;
}

export async function count(db: Database): Promise<number> {
  const { rows } = await db.query<{ count: number }>(sql`select count(*)::int as count from medic.scripts`);
  return rows[0]?.count ?? 0;
}

export async function find(db: Database, scriptId: number): Promise<ScriptRow | undefined> {
  const { rows } = await db.query<ScriptRow>(sql`
    select ${COLUMNS} from medic.scripts where script_id = ${scriptId}`);
  return rows[0];
}

/** Waits for playbooks that are being saved and name it. */
export async function lock(db: Database, scriptId: number): Promise<ScriptRow | undefined> {
  const { rows } = await db.query<ScriptRow>(sql`
    select ${COLUMNS} from medic.scripts where script_id = ${scriptId} for update`);
  return rows[0];
}

/** Those of these names that are registered. */
export async function known(db: Database, names: readonly string[]): Promise<Set<string>> {
  if (names.length === 0) return new Set();
  const { rows } = await db.query<{ name: string }>(sql`
    select name from medic.scripts where name = any(${names})`);
  return new Set(rows.map(({ name }) => name));
}

/** Keeps the scripts that a playbook names from being removed or renamed before it is committed. */
export async function hold(db: Database, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await db.query(sql`
    select from medic.scripts where name = any(${names}) order by script_id for key share`);
}

/** As `hold`, for the scripts of a playbook that is stored. */
export async function holdOf(db: Database, playbookId: number): Promise<void> {
  await db.query(sql`
    select from medic.scripts
    where name = any((select script_names from medic.playbooks where playbook_id = ${playbookId})::text[])
    order by script_id for key share`);
}

/** The name of an active playbook that runs a script. */
export async function activeUser(db: Database, scriptName: string): Promise<string | undefined> {
  const { rows } = await db.query<{ name: string }>(sql`
    select name from medic.playbooks where active and ${scriptName} = any(script_names)
    order by playbook_id limit 1`);
  return rows[0]?.name;
}

export async function insert(db: Database, script: Script, now: Date): Promise<ScriptRow> {
  const { rows } = await db.query<ScriptRow>(sql`
    insert into medic.scripts (name, content, interpreter, timeout_seconds, created_at, updated_at)
    values (${script.name}, ${script.content}, ${script.interpreter}, ${script.timeout_seconds}, ${now}, ${now})
    returning ${COLUMNS}`);
  return rows[0] as ScriptRow;
}

export async function update(db: Database, scriptId: number, script: Script, now: Date): Promise<ScriptRow> {
  const { rows } = await db.query<ScriptRow>(sql`
    update medic.scripts set name = ${script.name}, content = ${script.content},
      interpreter = ${script.interpreter}, timeout_seconds = ${script.timeout_seconds}, updated_at = ${now}
    where script_id = ${scriptId} returning ${COLUMNS}`);
  return rows[0] as ScriptRow;
}

export async function remove(db: Database, scriptId: number): Promise<void> {
  await db.query(sql`delete from medic.scripts where script_id = ${scriptId}`);
}
