import { Fields } from './document/fields.ts';
import { Findings, type Problem } from './document/findings.ts';
import { readYaml } from './document/read.ts';
import type { Reference } from './document/references.ts';
import { readSteps } from './document/steps.ts';
import { readTrigger } from './document/triggers.ts';
import { APPROVAL_MINUTES, MAX_NAME } from './limits.ts';
import type { Playbook } from './playbook.ts';

export type { Problem } from './document/findings.ts';

/** What a text says. `playbook` is null exactly when there are errors. */
export interface Parsed {
  playbook: Playbook | null;
  /** All of them, in the order of the text. */
  errors: Problem[];
  warnings: Problem[];
  /** The scripts that it runs. */
  scripts: string[];
  /** The secrets that it uses, by name. */
  secrets: string[];
  /** A warning for each place that names a script or a secret that is not among the known ones. */
  unknown(known: { scripts: ReadonlySet<string>; secrets: ReadonlySet<string> }): Problem[];
}

/** Reads the text of a playbook (spec 06 section 1). No text makes it throw. */
export function parsePlaybook(text: string): Parsed {
  const findings = new Findings();
  const references: Reference[] = [];
  const { root, placeOf } = readYaml(text, findings);
  let playbook: Playbook | null = null;
  if (root?.kind === 'mapping') playbook = readPlaybook(new Fields(findings, root, ''), findings, references);
  else if (root !== undefined) findings.error(root.at, '', 'must be a map of keys and values');
  return {
    playbook: findings.failed ? null : playbook,
    errors: findings.errors(placeOf),
    warnings: findings.warnings(placeOf),
    scripts: namesOf(references, 'script'),
    secrets: namesOf(references, 'secret'),
    unknown: ({ scripts, secrets }) => {
      const missing = new Findings();
      for (const { what, name, at, path } of references) {
        const known = what === 'script' ? scripts : secrets;
        if (!known.has(name)) missing.warn(at, path, `names a ${what} that does not exist: ${name}`);
      }
      return missing.warnings(placeOf);
    },
  };
}

function readPlaybook(top: Fields, findings: Findings, references: Reference[]): Playbook {
  const read = {
    name: top.text('name', MAX_NAME),
    description: top.optionalText('description', ''),
    approval: approvalOf(top),
    version: top.integer('version', 1),
    steps: readSteps(top, findings, references),
    trigger: readTrigger(top, findings),
  };
  return { ...read, metadata: top.rest() };
}

function approvalOf(top: Fields): string {
  const written = top.optionalText('approval', 'none').toLowerCase();
  if (written === 'none' || written === 'required') return written;
  const minutes = Number(/^timeout:(\d{1,6})m$/.exec(written)?.[1] ?? Number.NaN);
  const { min, max } = APPROVAL_MINUTES;
  if (minutes >= min && minutes <= max) return `timeout:${minutes}m`;
  top.fail('approval', `must be none, required or timeout:<n>m with ${min} to ${max} minutes`);
  return 'none';
}

function namesOf(references: readonly Reference[], what: Reference['what']): string[] {
  return [...new Set(references.filter((one) => one.what === what).map(({ name }) => name))];
}
