import { expect, test } from 'vitest';
import { problemsOf } from './script-content.ts';

const told = (interpreter: string, content: string, known: string[] = []) =>
  problemsOf({ interpreter, content })
    .problems(new Set(known))
    .map(({ line, column, path, message }) => `${line}:${column} ${path} ${message}`);

test('bash: secrets that do not exist are told where they first stand', () => {
  const content = `set -u\ncurl -H "\${secrets.A}" \${unit}\necho \${secrets.B} \${secrets.A} \${secrets.C}\n`;
  expect(problemsOf({ interpreter: 'bash', content }).secrets).toEqual(['A', 'B', 'C']);
  expect(told('bash', content, ['C'])).toEqual([
    '2:10 content names a secret that does not exist: A',
    '3:6 content names a secret that does not exist: B',
  ]);
});

test('python: what looks like a variable is told', () => {
  expect(told('python', `import os\nprint("\${unit}")`)).toEqual([
    '2:8 content nothing is replaced in python: values are read from the environment, as MEDIC_VAR_<name>',
  ]);
  expect(told('python', 'print("$" + "{")')).toEqual([]);
  expect(told('python', `print("\${")`)).toEqual([]);
  expect(told('python', 'print({})')).toEqual([]);
});

test.each([
  ['bash', '$' + '{secrets.'],
  ['bash', '\n'],
  ['python', '$' + '{'],
])('a megabyte of %s %j takes no time', (interpreter, unit) => {
  const names = Array.from({ length: 20_000 }, (_, index) => `\n\${secrets.N${index}}`).join('');
  const started = performance.now();
  told(interpreter, unit.repeat(100_000) + names);
  expect(performance.now() - started).toBeLessThan(5000);
});
