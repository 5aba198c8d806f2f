import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvLine, prefersCsv } from './csv.ts';

test.each<[string | number | null, string]>([
  [null, ''],
  [7, '7'],
  ['plain', 'plain'],
  ['=1+1', "'=1+1"],
  ['+1', "'+1"],
  ['-1', "'-1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\tx', "'\tx"],
  ['\rx', '"\'\rx"'],
  ['a,b', '"a,b"'],
  ['say "hi"', '"say ""hi"""'],
  ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
  ['two\nlines', '"two\nlines"'],
  ['a=b', 'a=b'],
])('the cell %j is written as %s', (value, cell) => {
  expect(csvLine([value])).toBe(`${cell}\r\n`);
});

test('what a reader of RFC 4180 finds is what was written, and no cell begins a formula', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom(...'=+-@\t\r\n",a ') }), { minLength: 1 }),
      (cells) => {
        const found = parse(csvLine(cells));
        expect(found.map((cell) => cell.replace(/^'(?=[=+\-@\t\r])/, ''))).toEqual(cells);
        for (const cell of found) expect(cell).not.toMatch(/^[=+\-@\t\r]/);
      },
    ),
  );
});

function parse(line: string): string[] {
  const cells = [''];
  let quoted = false;
  for (let at = 0; at < line.length - 2; at += 1) {
    const character = line[at];
    const escaped = quoted && character === '"' && line[at + 1] === '"';
    if (escaped) at += 1;
    if (character === '"' && !escaped) quoted = !quoted;
    else if (character === ',' && !quoted) cells.push('');
    else cells.push(`${cells.pop()}${character}`);
  }
  return cells;
}

test.each([
  [undefined, false],
  ['*/*', false],
  ['application/json', false],
  ['text/csv', true],
  ['TEXT/CSV; charset=utf-8', true],
  ['text/csv;q=0', false],
  ['text/csv;q=x', false],
  ['application/json, text/csv', true],
  ['application/json, text/csv;q=0.5', false],
  ['application/json;q=0.1, text/csv;q=0.5', true],
])('Accept: %s asks for CSV: %s', (accept, expected) => {
  expect(prefersCsv(accept)).toBe(expected);
});
