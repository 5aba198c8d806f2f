import { MAX_NAME, MAX_STEPS } from '../limits.ts';
import { STEP_TYPES, type Step } from '../playbook.ts';
import { Fields } from './fields.ts';
import type { Findings } from './findings.ts';
import type { Reference } from './references.ts';
import { READERS } from './step-types.ts';
import type { Value } from './value.ts';

/** The steps of a playbook, in their order. */
export function readSteps(top: Fields, findings: Findings, references: Reference[]): Step[] {
  if (top.take('steps') === undefined) {
    top.fail('steps', 'is missing');
    return [];
  }
  const list = top.list('steps');
  if (list === undefined) return [];
  if (list.items.length === 0) top.fail('steps', 'is empty');
  if (list.items.length > MAX_STEPS) top.fail('steps', `has more than ${MAX_STEPS} steps`);
  const names = new Set<string>();
  return list.items
    .slice(0, MAX_STEPS)
    .flatMap((item, index) => readStep(item, `steps[${index}]`, { findings, references, names }));
}

interface Context {
  findings: Findings;
  references: Reference[];
  /** Of the steps before. */
  names: Set<string>;
}

function readStep(item: Value, path: string, { findings, references, names }: Context): Step[] {
  if (item.kind !== 'mapping') {
    findings.error(item.at, path, 'must be a map');
    return [];
  }
  const fields = new Fields(findings, item, path);
  const name = fields.text('name', MAX_NAME);
  if (names.has(name)) fields.fail('name', 'is the name of another step');
  if (name !== '') names.add(name);
  const type = typeOf(fields);
  if (type === undefined) return [];
  const step = READERS[type]({ name, fields, findings, references });
  fields.warnOfOthers();
  return [step];
}

/** Undefined when it is not known: then nothing can be said about the other members. */
function typeOf(fields: Fields) {
  const written = fields.take('type');
  const word =
    written?.kind === 'scalar' && typeof written.value === 'string' ? written.value.toLowerCase() : '';
  const type = STEP_TYPES.find((known) => known === word);
  if (type === undefined) fields.word('type', STEP_TYPES);
  return type;
}
