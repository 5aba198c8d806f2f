import { expect, test } from 'vitest';
import { filesBelow, read, SOURCES } from './files.ts';

const isStore = (file: string) => /^src\/features\/.+\/store[^/]*\.ts$/.test(file);
/** A feature, or `platform`: who owns a file. */
const ownerOf = (file: string) => /^src\/(?:features\/)?([^/]+)\//.exec(file)?.[1] ?? 'wiring';

test('SQL on tables stands only in stores, the platform and migrations', () => {
  const statement = /\b(?:from|join|into|update|table)\s+(?:medic|graphile_worker)\.\w+/i;
  const elsewhere = SOURCES.filter((file) => !isStore(file) && !file.startsWith('src/platform/'));
  expect(elsewhere.filter((file) => statement.test(read(file)))).toEqual([]);
  expect(SOURCES.filter((file) => isStore(file) && statement.test(read(file))).length).toBeGreaterThan(3);
});

test('each table is written by one feature', () => {
  const writers: Record<string, Set<string>> = {};
  for (const file of SOURCES) {
    const writes = read(file).matchAll(/\b(?:insert\s+into|update|delete\s+from)\s+medic\.(\w+)/gi);
    for (const [, table = ''] of writes) {
      writers[table] ??= new Set();
      writers[table].add(ownerOf(file));
    }
  }
  const shared = Object.entries(writers).filter(([, owners]) => owners.size > 1);
  expect(shared).toEqual([]);
  const created = filesBelow('migrations', '.sql').flatMap((file) =>
    [...read(file).matchAll(/^create table medic\.(\w+)/gm)].map(([, table]) => table),
  );
  expect(created.filter((table) => table !== undefined && writers[table] === undefined)).toEqual([]);
});

test('nobody but the clock reads the time', () => {
  // The record of a migration is made before there is a clock, and a client has no database to ask for the time.
  const exempt = ['src/cli/run/wrap.ts', 'src/platform/clock.ts', 'src/platform/migrate.ts'];
  const reading =
    /Date\.now\(\)|new Date\(\s*\)|Temporal\.Now|(?<![.\w#])now\(\)|current_(?:timestamp|date|time)\b|localtime|(?:clock|statement|transaction)_timestamp\(/;
  expect(SOURCES.filter((file) => reading.test(read(file)))).toEqual(exempt);
  expect(filesBelow('migrations', '.sql').filter((file) => reading.test(read(file)))).toEqual([]);
});

test('no source file has more than 350 lines', () => {
  const long = SOURCES.filter((file) => read(file).split('\n').length - 1 > 350);
  expect(long).toEqual([]);
});

test('a verb says what it reads, what it writes and what a crash leaves', () => {
  const otherRoles = /\/(?:routes|store|metrics|resource)[^/]*\.ts$/;
  const verbs = SOURCES.filter(
    (file) =>
      file.startsWith('src/features/') && !otherRoles.test(file) && /from '\.\/store[^']*'/.test(read(file)),
  );
  expect(verbs).toContain('src/features/heartbeats/detect.ts');
  for (const word of ['In: ', 'Out: ', 'Crash: ']) {
    expect(verbs.filter((file) => !read(file).includes(word), `without "${word}"`)).toEqual([]);
  }
});
