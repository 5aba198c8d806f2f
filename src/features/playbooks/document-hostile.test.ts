import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePlaybook } from './document.ts';
import { MAX_TEXT_BYTES } from './limits.ts';

const VALID = 'name: p\nsteps: [{name: s, type: wait, duration: 1}]\n';
const LIMIT = MAX_TEXT_BYTES;
const fill = (unit: string, head = '', tail = '') =>
  head + unit.repeat(Math.floor((LIMIT - head.length - tail.length) / unit.length)) + tail;

const bomb = `${['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].reduce(
  (text, name, index, names) =>
    `${text}\n${name}: &${name} [${Array(9)
      .fill(`*${names[index - 1] ?? 'a'}`)
      .join(',')}]`,
  'a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]',
)}\n${VALID}`;

test.each([
  ['a bomb of aliases', bomb, 'more than 100 expansions'],
  ['101 aliases', `x: &x 1\ny: [${Array(101).fill('*x')}]\n${VALID}`, 'more than 100 expansions'],
  ['a large part a hundred times', fill('y', `x: &x `, `\nz: [*x,*x]\n${VALID}`), 'larger than 256 KiB'],
  ['an alias in its own anchor', `x: &x [*x]\n${VALID}`, 'what it stands in'],
  ['an alias in its own anchor, as a key', `x: &x {? *x : 1}\n${VALID}`, 'what it stands in'],
  ['an alias without an anchor', `x: *x\n${VALID}`, 'without an anchor'],
  ['an alias before its anchor', `y: *x\nx: &x 1\n${VALID}`, 'without an anchor'],
  ['duplicate keys', `a: 1\na: 2\n${VALID}`, 'duplicate key'],
  ['duplicate keys in different spellings', `1: 1\n"1": 2\n${VALID}`, 'duplicate key'],
  ['deep flow lists', `x: ${'['.repeat(33)}${']'.repeat(33)}\n${VALID}`, 'nested deeper'],
  ['very deep flow lists', fill('[', 'x: '), ''],
  ['very deep flow maps', fill('{a: ', 'x: '), ''],
  ['very deep block lists', fill('- '), ''],
  ['very deep questions', fill('? '), ''],
  ['a JavaScript tag', `x: !!js/function 'function () {}'\n${VALID}`, 'Unresolved tag'],
  ['a Python tag', `x: !!python/object/apply:os.system [id]\n${VALID}`, 'Unresolved tag'],
  ['a binary tag', `x: !!binary aGk=\n${VALID}`, 'Unresolved tag'],
  ['YAML 1.1', `%YAML 1.1\n---\n${VALID}`, 'must be YAML 1.2'],
  ['two documents', `${VALID}---\n${VALID}`, 'multiple documents'],
  ['a NUL', `x: a\u0000b\n${VALID}`, 'not allowed'],
  ['an escaped NUL', `x: "a\\0b"\n${VALID}`, 'cannot be stored'],
  ['an escaped NUL in a key', `"a\\0b": 1\n${VALID}`, 'cannot be stored'],
  ['half of a surrogate pair', `x: \ud800\n${VALID}`, 'not allowed'],
  ['half of a surrogate pair, escaped', `x: "\\ud800"\n${VALID}`, 'cannot be stored'],
  ['a key that is a list', `? [a, b]\n: 1\n${VALID}`, 'key that is not a text'],
  ['a key that is nothing', `: 1\n${VALID}`, 'key that is not a text'],
  ['tabs for indentation', 'name: p\nsteps:\n\t- {name: s}\n', ''],
  ['one byte too many', `${fill('#', VALID)}ab`, 'larger than 256 KiB'],
  ['characters of several bytes', `# ${'ä'.repeat(LIMIT / 2)}\n${VALID}`, 'larger than 256 KiB'],
  ['a merge key as a step key', `name: p\nsteps: [{<<: {name: s}, type: wait, duration: 1}]`, 'is missing'],
])('%s is refused and says why', (_, text, message) => {
  const { playbook, errors } = parsePlaybook(text);
  expect(playbook).toBeNull();
  expect(errors.length).toBeGreaterThan(0);
  for (const { line, column } of errors) expect([line >= 1, column >= 1]).toEqual([true, true]);
  expect(errors.map((error) => error.message).join('\n')).toContain(message);
});

test.each([
  ['a byte order mark', `\ufeff${VALID}`],
  ['CRLF', VALID.replaceAll('\n', '\r\n')],
  ['100 aliases', `x: &x 1\ny: [${Array(100).fill('*x')}]\n${VALID}`],
  ['an anchor that is used again', `a: &x 1\nb: *x\nc: &x 2\nd: *x\n${VALID}`],
  ['32 levels', `x: ${'['.repeat(31)}${']'.repeat(31)}\n${VALID}`],
  ['256 KiB', `${VALID}#${'x'.repeat(LIMIT - VALID.length - 1)}`],
  ['a very long key', `? ${'k'.repeat(100_000)}\n: 1\n${VALID}`],
  ['JSON', '{"name": "p", "steps": [{"name": "s", "type": "wait", "duration": 1}]}'],
  ['a merge key, which is a key like any other', `<<: {name: q}\n${VALID}`],
])('%s is accepted', (_, text) => {
  const { playbook, errors } = parsePlaybook(text);
  expect(errors).toEqual([]);
  expect(playbook).toMatchObject({ name: 'p', steps: [{ name: 's' }] });
});

test('an alias means the nearest anchor before it', () => {
  const { playbook } = parsePlaybook(`a: &x 1\nb: *x\nc: &x 2\nd: [*x, &y {e: *x}, *y]\n${VALID}`);
  expect(playbook?.metadata).toEqual({ a: 1, b: 1, c: 2, d: [2, { e: 2 }, { e: 2 }] });
});

const PIECES = [
  ...[
    '- ',
    '? ',
    ': ',
    ', ',
    '[',
    ']',
    '{',
    '}',
    '&a ',
    '*a ',
    '!a ',
    '!!str ',
    '| \n',
    '> \n',
    '"',
    "'",
    '%',
    '@',
  ],
  ...[
    '\n',
    '\n  ',
    '\t',
    '\r',
    '#',
    '---\n',
    '...\n',
    '<<: ',
    '~',
    'null',
    '1',
    '.inf',
    '0x1f',
    'true',
    'ä',
    '😀',
  ],
  ...[
    'name: ',
    'steps:\n',
    'type: ',
    'webhook',
    'script',
    'wait',
    'condition',
    'url: ',
    'https://x',
    'duration: ',
  ],
  ...[
    'trigger: ',
    'approval: ',
    'retries: ',
    'parameters: ',
    'headers: ',
    'body: ',
    `\${secrets.A}`,
    '__proto__: ',
  ],
  ...['\\0', '\\ud800', '\ud800', '\u0000', '\ufeff', 'constructor: ', 'version: ', 'success_codes: '],
];

test('no text makes it throw, and there is a playbook exactly when there is no error', () => {
  const text = fc.oneof(
    fc.array(fc.constantFrom(...PIECES), { maxLength: 60 }).map((pieces) => pieces.join('')),
    fc.array(fc.constantFrom(...PIECES), { maxLength: 20 }).map((pieces) => VALID + pieces.join('')),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.json().map((json) => `name: p\nsteps: ${json}\ntrigger: ${json}`),
    fc
      .dictionary(
        fc.constantFrom('name', 'type', 'url', 'duration', 'retries', 'timeout', 'check'),
        fc.jsonValue(),
      )
      .map((step) => JSON.stringify({ name: 'p', steps: [step] })),
  );
  fc.assert(
    fc.property(text, (given) => {
      const { playbook, errors, warnings, unknown } = parsePlaybook(given);
      expect(playbook === null).toBe(errors.length > 0);
      const problems = [...errors, ...warnings, ...unknown({ scripts: new Set(), secrets: new Set() })];
      for (const { line, column, path, message } of problems) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(column).toBeGreaterThanOrEqual(1);
        expect(message.length).toBeLessThan(1000);
        const index = /^steps\[(\d+)\]/.exec(path)?.[1];
        if (index !== undefined) expect(message.startsWith(`${Number(index) + 1}: `)).toBe(true);
      }
      // What was understood is JSON, and nothing in it is lost on the way.
      expect(JSON.parse(JSON.stringify(playbook))).toEqual(playbook);
    }),
    { numRuns: 1000 },
  );
});

/** Each took seconds or more before something was done about it, or would have. */
test.each([
  ['open lists', fill('[')],
  ['commas', fill(',', '[')],
  ['closing brackets', fill(']')],
  ['keys', Array.from({ length: 30_000 }, (_, index) => `k${index}:`).join('\n')],
  ['the same key', fill('a:\n')],
  [
    'unknown keys of a step',
    `name: p\nsteps:\n- ${Array.from({ length: 25_000 }, (_, index) => `k${index}:`).join('\n  ')}`,
  ],
  ['secrets', fill(`\${secrets.A}`, `name: p\nsteps: [{name: s, type: webhook, url: "`, '"}]')],
  ['dollars', fill(`\${secrets.`, `name: p\nsteps: [{name: s, type: webhook, url: "`, '"}]')],
  ['blanks in a duration', fill(' ', 'name: p\nsteps: [{name: s, type: wait, duration: "', 'x"}]')],
  ['digits in a duration', fill('1', 'name: p\nsteps: [{name: s, type: wait, duration: "', '"}]')],
  ['digits in an approval', fill('1', 'approval: timeout:', 'm')],
  ['a hundred large aliases', fill('1,', 'x: &x [', `]\ny: [${Array(100).fill('*x')}]`)],
  ['duplicate keys below a long one', fill('  a:\n', `? ${'k'.repeat(60_000)}\n:\n`)],
  ['anchors', fill('&a ')],
  ['escapes', fill('\\x41', 'a: "', '"')],
])('256 KiB of %s take bounded time', (_, text) => {
  const started = performance.now();
  const { errors, warnings } = parsePlaybook(text);
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(JSON.stringify({ errors, warnings }).length).toBeLessThan(2_000_000);
});
