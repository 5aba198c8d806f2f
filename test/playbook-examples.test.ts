import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parsePlaybook } from '../src/features/playbooks/document.ts';
import { PLAYBOOK_SCHEMA } from '../src/features/playbooks/json-schema.ts';
import { read } from './shape/files.ts';

const EXAMPLES = [...read('docs/playbooks.md').matchAll(/^```yaml\n(.*?)^```$/gms)].map(
  ([, text = '']): [string, string] => [/^name: (.+)$/m.exec(text)?.[1] ?? '?', text],
);
const schema = new Ajv2020({ strictTypes: false, strictRequired: false }).compile(PLAYBOOK_SCHEMA);

test('the document has its examples, under different names', () => {
  expect(EXAMPLES.length).toBeGreaterThanOrEqual(6);
  expect(new Set(EXAMPLES.map(([name]) => name)).size).toBe(EXAMPLES.length);
});

test.each(EXAMPLES)('the example %s is a playbook without a warning', (name, text) => {
  const { playbook, errors, warnings } = parsePlaybook(text);
  expect({ errors, warnings }).toEqual({ errors: [], warnings: [] });
  expect(playbook).toMatchObject({ name, metadata: {} });
  expect(schema(parse(text)), JSON.stringify(schema.errors)).toBe(true);
});
