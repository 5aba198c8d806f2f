/**
 * Manages the scripts that playbooks may run (spec 06 section 7).
 * In: a validated request. Out: a script, and what the audit log keeps of the change.
 * Crash: each verb is one transaction.
 */
import type { Database, Transaction } from '../../platform/db.ts';
import { MedicError } from '../../platform/errors.ts';
import { changedMembers, unknown, unlessTaken } from '../audit/configuration.ts';
import { type ManageContext, recordChange } from './context.ts';
import type { Problem } from './document.ts';
import { problemsOf } from './script-content.ts';
import { knownSecrets } from './store.ts';
import type { Script, ScriptRow } from './store-scripts.ts';
import * as store from './store-scripts.ts';

const DEFAULT_TIMEOUT_SECONDS = 30;

export interface SavedScript {
  row: ScriptRow;
  warnings: Problem[];
}

/** Throws `conflict` when the name is taken. */
export function createScript(
  context: ManageContext,
  input: Omit<Script, 'timeout_seconds'> & { timeout_seconds?: number },
  actor: string,
): Promise<SavedScript> {
  const script = { timeout_seconds: DEFAULT_TIMEOUT_SECONDS, ...input };
  return context.db.transaction(async (tx) => {
    const now = context.clock.now();
    const row = await unlessTaken('script', script.name, () => store.insert(tx, script, now));
    const fields = Object.keys(script);
    await recordChange(tx, context, { ...about(row.script_id), action: 'create', fields, actor });
    return { row, warnings: await warningsOf(tx, script) };
  });
}

/**
 * Changes what is given. Throws `not_found`, and `conflict` when the new name is taken, or when an active playbook runs
 * the script under its old one.
 */
export function changeScript(
  context: ManageContext,
  scriptId: number,
  input: Partial<Script>,
  actor: string,
): Promise<SavedScript> {
  return context.db.transaction(async (tx) => {
    const before = await store.lock(tx, scriptId);
    if (before === undefined) throw unknown('script', scriptId);
    const script = { ...before, ...input };
    const fields = changedMembers(before, script);
    const warnings = await warningsOf(tx, script);
    if (fields.length === 0) return { row: before, warnings };
    if (fields.includes('name')) await demandUnused(tx, before, 'renamed');
    const now = context.clock.now();
    const row = await unlessTaken('script', script.name, () => store.update(tx, scriptId, script, now));
    await recordChange(tx, context, { ...about(scriptId), action: 'update', fields, actor });
    return { row, warnings };
  });
}

/** Throws `not_found`, and `conflict` while an active playbook runs it. */
export function removeScript(context: ManageContext, scriptId: number, actor: string): Promise<void> {
  return context.db.transaction(async (tx) => {
    const script = await store.lock(tx, scriptId);
    if (script === undefined) throw unknown('script', scriptId);
    await demandUnused(tx, script, 'removed');
    await store.remove(tx, scriptId);
    await recordChange(tx, context, { ...about(scriptId), action: 'delete', fields: [], actor });
  });
}

async function demandUnused(tx: Transaction, { name }: ScriptRow, what: string): Promise<void> {
  const user = await store.activeUser(tx, name);
  if (user === undefined) return;
  throw new MedicError('conflict', `The active playbook ${user} runs ${name}: it cannot be ${what}`);
}

async function warningsOf(db: Database, script: Script): Promise<Problem[]> {
  const { problems, secrets } = problemsOf(script);
  const known = await knownSecrets(db, secrets);
  return problems(known);
}

function about(scriptId: number) {
  return { entity: 'script', entityId: scriptId } as const;
}
