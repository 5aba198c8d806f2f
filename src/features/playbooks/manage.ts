/**
 * Manages playbooks (spec 06 sections 1 and 2).
 * In: the text of a playbook. Out: a playbook with one more version, its triggers, and what the audit log keeps.
 * Crash: each verb is one transaction.
 */
import type { Database, Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { unknown, unlessTaken } from '../audit/configuration.ts';
import { type ManageContext, recordChange } from './context.ts';
import { type Parsed, type Problem, parsePlaybook } from './document.ts';
import type { Playbook } from './playbook.ts';
import {
  type Content,
  find,
  insert,
  insertVersion,
  knownSecrets,
  lock,
  type PlaybookRow,
  remove,
  setActive,
} from './store.ts';
import { hold, holdOf, known } from './store-scripts.ts';
import { dropTriggers, replaceTriggers } from './triggers.ts';

/** What was saved, and what its author should look at. */
export interface Saved {
  row: PlaybookRow;
  warnings: Problem[];
}

export interface Judgement {
  errors: Problem[];
  warnings: Problem[];
  playbook: Playbook | null;
}

/** What is to be said about a text, scripts and secrets that do not exist included; changes nothing. */
export async function judge(db: Database, text: string): Promise<Judgement> {
  const parsed = parsePlaybook(text);
  const { errors, playbook } = parsed;
  return { errors, playbook, warnings: await warningsOf(db, parsed) };
}

/** Throws `bad_request` with every error of the text, and `conflict` when the name is taken. */
export function createPlaybook(
  context: ManageContext,
  { yaml_content, active = true }: { yaml_content: string; active?: boolean },
  actor: string,
): Promise<Saved> {
  const { playbook, parsed } = understood(yaml_content);
  const content = contentOf(playbook, parsed, yaml_content);
  const deed = { actor, at: context.clock.now() };
  return context.db.transaction(async (tx) => {
    await hold(tx, parsed.scripts);
    const playbookId = await unlessTaken('playbook', playbook.name, () => insert(tx, content, active, deed));
    const fields = ['yaml_content', 'active'];
    await recordChange(tx, context, { ...about(playbookId), action: 'create', fields, actor });
    await replaceTriggers(tx, context, { playbookId, playbook, actor });
    return { row: await shown(tx, playbookId), warnings: await warningsOf(tx, parsed) };
  });
}

/**
 * Changes what is given. The same text again is no change, and makes no version.
 * Throws `not_found`, `bad_request` with every error of the text, and `conflict` when the name is taken.
 */
export function changePlaybook(
  context: ManageContext,
  playbookId: number,
  { yaml_content, active }: { yaml_content?: string; active?: boolean },
  actor: string,
): Promise<Saved> {
  const given = yaml_content === undefined ? undefined : { ...understood(yaml_content), yaml_content };
  const deed = { actor, at: context.clock.now() };
  return context.db.transaction(async (tx) => {
    if (!(await lock(tx, playbookId))) throw unknown('playbook', playbookId);
    const before = await shown(tx, playbookId);
    const fields: string[] = [];
    if (given !== undefined && given.yaml_content !== before.yaml_content) {
      fields.push('yaml_content');
      const { playbook, parsed } = given;
      await hold(tx, parsed.scripts);
      const content = contentOf(playbook, parsed, given.yaml_content);
      const isCurrent = await unlessTaken('playbook', playbook.name, () =>
        insertVersion(tx, before, content, deed),
      );
      if (!isCurrent) throw new MedicError('conflict', 'The playbook was changed at the same time');
      await replaceTriggers(tx, context, { playbookId, playbook, actor });
    }
    if (active !== undefined && active !== before.active) {
      fields.push('active');
      await holdOf(tx, playbookId);
      await setActive(tx, playbookId, active, deed.at);
    }
    if (fields.length > 0) {
      await recordChange(tx, context, { ...about(playbookId), action: 'update', fields, actor });
    }
    const row = await shown(tx, playbookId);
    return { row, warnings: await warningsOf(tx, given?.parsed ?? parsePlaybook(row.yaml_content)) };
  });
}

/** Removes it with its versions and triggers. Throws `not_found`. */
export function removePlaybook(context: ManageContext, playbookId: number, actor: string): Promise<void> {
  return context.db.transaction(async (tx) => {
    if (!(await lock(tx, playbookId))) throw unknown('playbook', playbookId);
    await dropTriggers(tx, context, playbookId, actor);
    await remove(tx, playbookId);
    await recordChange(tx, context, { ...about(playbookId), action: 'delete', fields: [], actor });
  });
}

const about = (playbookId: number) => ({ entity: 'playbook', entityId: playbookId, playbookId }) as const;

function contentOf({ name, description }: Playbook, { scripts }: Parsed, yaml_content: string): Content {
  return { name, description, yaml_content, script_names: scripts };
}

function understood(text: string): { playbook: Playbook; parsed: Parsed } {
  const parsed = parsePlaybook(text);
  const { playbook, errors } = parsed;
  if (playbook !== null) return { playbook, parsed };
  const [first] = errors as [Problem, ...Problem[]];
  const more = errors.length === 1 ? '' : ` (${errors.length} problems in all)`;
  const place = `line ${first.line}, column ${first.column}`;
  const what = `${first.path === '' ? '' : `${first.path}: `}${first.message}`;
  throw new MedicError('bad_request', `yaml_content: ${place}: ${what}${more}`, { problems: errors });
}

async function warningsOf(db: Database, parsed: Parsed): Promise<Problem[]> {
  const scripts = await known(db, parsed.scripts);
  const secrets = await knownSecrets(db, parsed.secrets);
  return [...parsed.warnings, ...parsed.unknown({ scripts, secrets })];
}

async function shown(tx: Transaction, playbookId: number): Promise<PlaybookRow> {
  const row = await find(tx, playbookId);
  if (row === undefined) throw unknown('playbook', playbookId);
  return row;
}
