import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT, read } from './files.ts';

const CONFIG = path.join(ROOT, '.dependency-cruiser.cjs');
const { forbidden } = createRequire(import.meta.url)(CONFIG) as { forbidden: { name: string }[] };

/** What each feature may import, as CONTRIBUTING.md tells it. */
const ALLOWED = allowedImports(read('CONTRIBUTING.md'));
const FEATURES = Object.keys(ALLOWED);

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'medic-imports-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('every import between features outside of the table is refused, and every one inside is not', async () => {
  const pairs = FEATURES.flatMap((from) => FEATURES.filter((to) => to !== from).map((to) => ({ from, to })));
  const refusals = await cruise({
    ...Object.fromEntries(FEATURES.map((name) => [`src/features/${name}/verb.ts`, ''])),
    ...Object.fromEntries(
      pairs.map(({ from, to }) => [
        `src/features/${from}/uses-${to}.ts`,
        `import type {} from '../${to}/verb.ts';`,
      ]),
    ),
  });
  const expected = pairs
    .filter(({ from, to }) => !ALLOWED[from]?.includes(to))
    .map(
      ({ from, to }) => `features-${from}: src/features/${from}/uses-${to}.ts → src/features/${to}/verb.ts`,
    );
  expect(refusals.toSorted()).toEqual(expected.toSorted());
});

test('each of the other rules refuses the import that it is there for', async () => {
  const imports = (target: string) => `import '${target}';`;
  const refusals = await cruise({
    'src/main.ts': '',
    'src/api.ts': imports('./features/alerts/routes.ts'),
    'src/wiring.ts': imports('./features/alerts/store.ts'),
    'src/worker.ts': imports('./features/alerts/routes.ts'),
    'src/cli/program.ts': '',
    'src/cli/greedy.ts': imports('../platform/db.ts'),
    'src/cli/curious.ts': imports('../features/playbooks/manage.ts'),
    'src/cli/playbooks.ts': imports('../features/playbooks/document.ts'),
    'src/features/playbooks/manage.ts': '',
    'src/features/playbooks/document.ts': imports('./document/read.ts'),
    'src/features/playbooks/document/read.ts': imports('../store.ts'),
    'src/features/playbooks/store.ts': '',
    'src/lifecycle.ts': imports('./cli/program.ts'),
    'src/platform/db.ts': '',
    'src/platform/curious.ts': imports('../features/alerts/verb.ts'),
    'src/platform/one.ts': imports('./two.ts'),
    'src/platform/two.ts': imports('./one.ts'),
    'src/platform/lost.ts': imports('./nowhere.ts'),
    'src/http/server.ts': '',
    'src/http/curious.ts': imports('../features/alerts/verb.ts'),
    'src/features/alerts/routes.ts': imports('../../http/server.ts'),
    'src/features/alerts/store.ts': imports('../../platform/db.ts'),
    'src/features/alerts/verb.ts': imports('./store.ts'),
    'src/features/alerts/upward.ts': imports('../../main.ts'),
    'src/features/alerts/answering.ts': imports('../../http/server.ts'),
    'src/features/alerts/machine.ts': imports('../../platform/db.ts'),
    'src/features/heartbeats/nosy.ts': imports('../alerts/store-view.ts'),
    'src/features/alerts/store-view.ts': '',
    'src/features/unheard/verb.ts': '',
    'src/features/alerts/adventurous.ts': imports('../unheard/verb.ts'),
  });
  const expected = [
    'client-commands-are-for-the-program-only: src/lifecycle.ts → src/cli/program.ts',
    'client-commands-speak-http-only: src/cli/curious.ts → src/features/playbooks/manage.ts',
    'client-commands-speak-http-only: src/cli/greedy.ts → src/platform/db.ts',
    'deciding-files-take-values-and-return-values: src/features/alerts/machine.ts → src/platform/db.ts',
    'deciding-files-take-values-and-return-values: src/features/playbooks/document/read.ts → src/features/playbooks/store.ts',
    'features-are-in-the-table: src/features/alerts/adventurous.ts → src/features/unheard/verb.ts',
    'features-do-not-know-their-wiring: src/features/alerts/upward.ts → src/main.ts',
    'http-knows-platform-and-access-only: src/http/curious.ts → src/features/alerts/verb.ts',
    'no-cycles: src/platform/one.ts → src/platform/two.ts',
    'nobody-outside-uses-a-store: src/wiring.ts → src/features/alerts/store.ts',
    'nothing-unresolved: src/platform/lost.ts → ./nowhere.ts',
    'only-routes-know-http: src/features/alerts/answering.ts → src/http/server.ts',
    'platform-knows-nothing-of-medic: src/platform/curious.ts → src/features/alerts/verb.ts',
    'routes-are-for-api-only: src/worker.ts → src/features/alerts/routes.ts',
    'stores-are-private-to-their-feature: src/features/heartbeats/nosy.ts → src/features/alerts/store-view.ts',
  ];
  expect(refusals.toSorted()).toEqual(expected);
  const betweenFeatures = FEATURES.map((name) => `features-${name}`);
  const tried = new Set([...expected.map((refusal) => refusal.split(':')[0]), ...betweenFeatures]);
  expect(forbidden.map(({ name }) => name).toSorted()).toEqual([...tried].toSorted());
});

/** Writes files and checks their imports. @returns `rule: from → to` for each refusal. */
async function cruise(files: Record<string, string>): Promise<string[]> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), `${content}\nexport const present = true;\n`);
  }
  const depcruise = path.join(ROOT, 'node_modules/.bin/depcruise');
  const run = spawnSync(process.execPath, [depcruise, '--config', CONFIG, 'src'], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
    timeout: 50_000,
  });
  const refusals = [...run.stdout.matchAll(/^\s*error ([\w-]+): (\S+) →\s+(\S+)/gm)].map(
    ([, rule, from, to]) => `${rule}: ${from} → ${to}`,
  );
  expect(run.status, run.stdout + run.stderr).toBe(refusals.length);
  return refusals;
}

function allowedImports(contributing: string): Record<string, string[]> {
  const [, table = ''] = /\| Feature \| May import \|\n\|[-|]+\|\n((?:\|.*\|\n)+)/.exec(contributing) ?? [];
  return Object.fromEntries(
    [...table.matchAll(/^\| ([\w, ]+) \| ([\w, ]+) \|$/gm)].flatMap(([, features = '', allowed = '']) =>
      features
        .split(', ')
        .map((feature) => [feature, allowed === 'no other feature' ? [] : allowed.split(', ')]),
    ),
  );
}
