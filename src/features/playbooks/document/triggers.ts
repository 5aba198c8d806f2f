import { MAX_INTEGER, MAX_PATTERN, MAX_TRIGGERS } from '../limits.ts';
import type { Playbook, TriggerDefinition } from '../playbook.ts';
import { Fields } from './fields.ts';
import type { Findings } from './findings.ts';
import type { Mapping } from './value.ts';

/** The trigger or triggers of a playbook, as they are written (spec 06 section 2). */
export function readTrigger(top: Fields, findings: Findings): Playbook['trigger'] {
  const value = top.take('trigger');
  if (value === undefined) return null;
  if (value.kind === 'mapping') return readOne(value, top.pathOf('trigger'), findings);
  if (value.kind === 'scalar') {
    top.fail('trigger', 'must be a map or a list of maps');
    return null;
  }
  if (value.items.length > MAX_TRIGGERS) top.fail('trigger', `has more than ${MAX_TRIGGERS} triggers`);
  return value.items.slice(0, MAX_TRIGGERS).flatMap((item, index) => {
    const path = `${top.pathOf('trigger')}[${index}]`;
    if (item.kind === 'mapping') return [readOne(item, path, findings)];
    findings.error(item.at, path, 'must be a map');
    return [];
  });
}

function readOne(mapping: Mapping, path: string, findings: Findings): TriggerDefinition {
  const fields = new Fields(findings, mapping, path);
  const trigger = {
    service_pattern: fields.text('service_pattern', MAX_PATTERN),
    consecutive_failures: fields.integer('consecutive_failures', 1, { min: 1, max: MAX_INTEGER }),
    enabled: fields.flag('enabled', true),
  };
  fields.warnOfOthers();
  return trigger;
}
