import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startMedic } from '../../src/lifecycle.ts';
import { readConfig, VARIABLES } from '../../src/platform/config.ts';
import { createTestDatabase } from '../harness/database.ts';
import { DOCUMENTS, ROOT, read } from './files.ts';

const manifest = JSON.parse(read('package.json')) as { version: string; scripts: Record<string, string> };
const SELF_HOSTING = read('docs/self-hosting.md');
/** For those who run the tests; Medic does not read it. */
const FOR_TESTS = 'MEDIC_TEST_DATABASE_URL';
/** For the client commands and the client library; the server does not read them. */
const FOR_CLIENTS = ['MEDIC_API_KEY', 'MEDIC_PING_KEY'];

type Reader = (text: string | undefined) => unknown;

const defaults = Object.entries(VARIABLES as Record<string, Reader>).map(([name, reader]) => {
  const value = reader(undefined);
  return { name, reader, fallback: value === undefined ? undefined : String(value) };
});

/** What a reader says about a value that cannot be right. */
function refusal(reader: Reader): string {
  try {
    reader('\u0001');
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

test('docs/self-hosting.md lists every variable with its default and range, and no other', () => {
  const rows = [...SELF_HOSTING.matchAll(/^\| `([A-Z_]+)` \| (.+?) \| (.*?) ?\| .+ \|$/gm)];
  expect(rows.map(([, name]) => name)).toEqual(defaults.map(({ name }) => name));
  for (const { name, reader, fallback } of defaults) {
    const [, , shown, range] = rows.find((row) => row[1] === name) ?? [];
    const expected = name === 'MEDIC_VERSION' ? 'the package version' : fallback && `\`${fallback}\``;
    expect(shown, `default of ${name}`).toBe(expected ?? '–');
    const words = refusal(reader);
    const numbers = /from (-?\d+) to (\d+)/.exec(words);
    if (numbers !== null) expect(range, `range of ${name}`).toBe(`${numbers[1]} to ${numbers[2]}`);
    const list = /must be one of (.+), not/.exec(words);
    if (list !== null) expect(range, `range of ${name}`).toBe(list[1]);
  }
});

test('.env.example sets every variable to its default, and no other', () => {
  const lines = read('.env.example').match(/^(# )?[A-Z_]+=.*$/gm);
  const expected = defaults.map(({ name, fallback }) =>
    fallback === undefined || name === 'MEDIC_VERSION' ? `# ${name}=` : `${name}=${fallback}`,
  );
  expect(lines?.toSorted()).toEqual(expected.toSorted());
});

test.each(DOCUMENTS)('%s names only variables that Medic reads', (document) => {
  const named = read(document).match(
    /\b(MEDIC|DATABASE|DB|PG|SLACK|PAGERDUTY|HEARTBEAT|WORKER|ALERT|METRICS|RATE|POD|REDIS|OTEL)_[A-Z_]+\b/g,
  );
  for (const name of named ?? [])
    expect([...Object.keys(VARIABLES), FOR_TESTS, ...FOR_CLIENTS]).toContain(name);
});

test.each(DOCUMENTS)('%s cites only paths, headings and scripts that exist', (document) => {
  const text = read(document);
  for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(target)) continue;
    const [file = '', heading] = target.split('#');
    const cited = path.join(ROOT, path.dirname(document), file === '' ? path.basename(document) : file);
    expect(existsSync(cited), target).toBe(true);
    if (heading !== undefined) expect(headings(path.relative(ROOT, cited)), target).toContain(heading);
  }
  const tokens =
    text.match(/(?<![\w./-])(?:src|docs|test|bench|bin|migrations|\.ci)\/[\w./<>-]*[\w>]/g) ?? [];
  // What has a `<name>` in it is a pattern.
  for (const cited of tokens.filter((token) => !token.includes('<'))) {
    expect(existsSync(path.join(ROOT, cited)), cited).toBe(true);
  }
  for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g)) {
    expect(Object.keys(manifest.scripts)).toContain(script);
  }
});

function headings(file: string): string[] {
  return [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('docs/self-hosting.md lists every metric with its type, and no other', async () => {
  const database = await createTestDatabase();
  const environment = {
    DATABASE_URL: database.url,
    MEDIC_HOST: '127.0.0.1',
    PORT: '0',
    MEDIC_LOG_LEVEL: 'ERROR',
  };
  const medic = await startMedic(readConfig(environment), 'api', new AbortController().signal);
  try {
    const page = await (await fetch(`${medic.address}/metrics`)).text();
    const exposed = [...page.matchAll(/^# TYPE (\S+ \S+)$/gm)].map(([, metric]) => metric);
    const listed = [...SELF_HOSTING.matchAll(/^\| `(medic_\w+)` \| (\w+)/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    expect(listed.toSorted()).toEqual(exposed.toSorted());
  } finally {
    await medic.stop();
    await database.drop();
  }
});
