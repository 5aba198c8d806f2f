import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { expectFailure, freshName, resultsOf } from '../harness/expectations.ts';
import { keyWith } from '../harness/keys.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic({ MEDIC_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64') });
});
afterAll(() => medic.close());

const yamlOf = (name: string, rest = '') =>
  `name: ${name}\nsteps:\n  - {name: settle, type: wait, duration: 30s}\n${rest}`;
const create = (yaml_content: string, more = {}) =>
  medic.call('POST', '/v2/playbooks', { yaml_content, ...more });
const created = async (yaml_content: string, more = {}) => resultsOf(await create(yaml_content, more), 201);
const patch = (id: number, body: unknown) => medic.call('PATCH', `/v2/playbooks/${id}`, body);
const get = async (path: string) => resultsOf(await medic.call('GET', path));
const triggersOf = async (id: number) => (await get(`/v2/playbooks/${id}/triggers`)).entries;
const trail = async () => {
  const { entries } = await get('/v2/audit-logs?action_type=config_changed&limit=250');
  return entries
    .toReversed()
    .map(({ details, playbook_id }: { details: Record<string, unknown>; playbook_id: number | null }) => {
      const fields = (details.changed_fields as string[]).join(',');
      return `${details.action} ${details.entity} ${details.entity_id} of ${playbook_id}: ${fields}`;
    });
};

test('a playbook is stored, read, changed in versions that all stay readable, and removed', async () => {
  const name = freshName('playbook');
  const first = yamlOf(name, 'description: restart it\ntrigger: {service_pattern: "worker-*"}\n');
  const made = await created(first);
  expect(made).toMatchObject({
    name,
    description: 'restart it',
    yaml_content: first,
    version: 1,
    active: true,
    trigger_type: 'alert',
    last_run: null,
    status: null,
    created_at: '2040-03-01T12:00:00.000Z',
    warnings: [],
  });
  const { playbook_id, warnings: _none, ...shown } = made;
  const path = `/v2/playbooks/${playbook_id}`;
  expect(await get(path)).toEqual({ playbook_id, ...shown });

  const second = yamlOf(`${name}-2`);
  expect(resultsOf(await patch(playbook_id, { yaml_content: second }))).toMatchObject({
    name: `${name}-2`,
    description: '',
    version: 2,
    trigger_type: 'manual',
  });
  // The same text again, and nothing at all, are no changes.
  expect(resultsOf(await patch(playbook_id, { yaml_content: second })).version).toBe(2);
  expect(resultsOf(await patch(playbook_id, {})).version).toBe(2);
  expect(resultsOf(await patch(playbook_id, { active: false }))).toMatchObject({ version: 2, active: false });

  const versions = await get(`${path}/versions`);
  expect(versions).toMatchObject({ total_count: 2, has_more: false });
  expect(versions.entries.map(({ version }: { version: number }) => version)).toEqual([2, 1]);
  expect(await get(`${path}/versions/1`)).toEqual({
    playbook_id,
    version: 1,
    name,
    yaml_content: first,
    created_by: 'admin',
    created_at: '2040-03-01T12:00:00.000Z',
  });
  expectFailure(await medic.call('GET', `${path}/versions/3`), 404, 'Version 3');

  expect(resultsOf(await medic.call('DELETE', path))).toBe('');
  for (const [method, target] of [
    ['GET', path],
    ['DELETE', path],
    ['GET', `${path}/versions`],
    ['GET', `${path}/versions/1`],
    ['GET', `${path}/triggers`],
  ] as const) {
    expectFailure(await medic.call(method, target), 404, String(playbook_id));
  }
  const mine = (await trail()).filter((line: string) => line.includes(`of ${playbook_id}:`));
  expect(mine).toEqual([
    `create playbook ${playbook_id} of ${playbook_id}: yaml_content,active`,
    expect.stringMatching(/^create trigger \d+ of \d+: service_pattern,consecutive_failures,enabled$/),
    expect.stringMatching(/^delete trigger \d+ of \d+: $/),
    `update playbook ${playbook_id} of ${playbook_id}: yaml_content`,
    `update playbook ${playbook_id} of ${playbook_id}: active`,
    `delete playbook ${playbook_id} of ${playbook_id}: `,
  ]);
});

test('what is not valid is not saved, and every problem is told with its place', async () => {
  const answer = await create('name: p\nsteps:\n  - {name: a, type: wait}\n  - {name: a, type: zz}\n');
  expectFailure(answer, 400, 'yaml_content', 'line 3, column 5', 'steps[0].duration', '3 problems');
  expect(answer.body.errors).toEqual([
    { line: 3, column: 5, path: 'steps[0].duration', message: '1: is missing' },
    { line: 4, column: 12, path: 'steps[1].name', message: '2: is the name of another step' },
    {
      line: 4,
      column: 21,
      path: 'steps[1].type',
      message: '2: must be one of webhook, script, wait, condition',
    },
  ]);
  const { playbook_id } = await created(yamlOf(freshName()));
  expect((await patch(playbook_id, { yaml_content: 'name: [' })).status).toBe(400);
  expect(await get(`/v2/playbooks/${playbook_id}`)).toMatchObject({ version: 1 });
});

test('validate answers 200 for any text, and stores nothing', async () => {
  const validate = (yaml_content: unknown) => medic.call('POST', '/v2/playbooks/validate', { yaml_content });
  const before = (await get('/v2/playbooks')).total_count;
  expect(resultsOf(await validate(yamlOf('p', 'owner: {__proto__: 1}')))).toEqual({
    valid: true,
    errors: [],
    warnings: [],
    playbook: {
      name: 'p',
      description: '',
      approval: 'none',
      version: 1,
      steps: [{ name: 'settle', type: 'wait', duration_seconds: 30 }],
      trigger: null,
      metadata: { owner: JSON.parse('{"__proto__": 1}') },
    },
  });
  for (const text of [
    '',
    '[',
    'a: \u0000',
    'a: \ud800',
    'a: !!js x',
    'x'.repeat(300_000),
    '['.repeat(200_000),
  ]) {
    const results = resultsOf(await validate(text));
    expect(results).toMatchObject({ valid: false, playbook: null });
    expect(results.errors.length).toBeGreaterThan(0);
  }
  for (const body of [{}, { yaml_content: 5 }, { yaml_content: null }, { yaml_content: '', more: 1 }]) {
    expectFailure(await medic.call('POST', '/v2/playbooks/validate', body), 400);
  }
  expect((await get('/v2/playbooks')).total_count).toBe(before);
});

test('scripts and secrets that do not exist are warnings until they do', async () => {
  const text = `name: ${freshName()}
steps:
  - {name: a, type: script, script: not-yet, colour: red}
  - {name: b, type: webhook, url: "https://x", headers: {A: "\${secrets.NOT_YET}"}}
`;
  const { warnings, playbook_id } = await created(text);
  expect(
    warnings.map(({ path, message }: { path: string; message: string }) => `${path} ${message}`),
  ).toEqual([
    'steps[0].colour 1: is not a known key and has no effect',
    'steps[0].script 1: names a script that does not exist: not-yet',
    'steps[1].headers.A 2: names a secret that does not exist: NOT_YET',
  ]);
  const script = { name: 'not-yet', content: 'true', interpreter: 'bash' };
  resultsOf(await medic.call('POST', '/v2/scripts', script), 201);
  resultsOf(await medic.call('POST', '/v2/secrets', { name: 'NOT_YET', value: 'abcd' }), 201);
  expect(resultsOf(await patch(playbook_id, { yaml_content: text })).warnings).toHaveLength(1);
  resultsOf(await medic.call('DELETE', `/v2/playbooks/${playbook_id}`));
});

test('a list is filtered by what is active and by what starts it, and refuses other values', async () => {
  const alert = await created(yamlOf(freshName(), 'trigger: {service_pattern: x}'), { active: false });
  const off = await created(yamlOf(freshName(), 'trigger: {service_pattern: x, enabled: false}'));
  const idsOf = async (query: string) =>
    (await get(`/v2/playbooks?limit=250&${query}`)).entries.map(
      ({ playbook_id }: { playbook_id: number }) => playbook_id,
    );
  expect(await idsOf('trigger_type=ALERT')).toContain(alert.playbook_id);
  expect(await idsOf('trigger_type=alert')).not.toContain(off.playbook_id);
  expect(await idsOf('trigger_type=manual')).toContain(off.playbook_id);
  expect(await idsOf('active=false&trigger_type=alert')).toEqual([alert.playbook_id]);
  const all = await idsOf('');
  expect(all).toEqual(all.toSorted((a: number, b: number) => b - a));
  expectFailure(await medic.call('GET', '/v2/playbooks?active=perhaps'), 400, 'active');
  expectFailure(await medic.call('GET', '/v2/playbooks?trigger_type=x'), 400, 'trigger_type');
  expectFailure(await medic.call('GET', '/v2/playbooks?colour=red'), 400, 'colour');
});

test('a name is taken once, however many try at the same time', async () => {
  const name = freshName('race');
  const answers = await Promise.all(Array.from({ length: 8 }, () => create(yamlOf(name))));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
  const other = await created(yamlOf(freshName()));
  expectFailure(await patch(other.playbook_id, { yaml_content: yamlOf(name) }), 409, name);
  expect(await get(`/v2/playbooks/${other.playbook_id}`)).toMatchObject({ version: 1 });
});

test('changes at the same time make one version each, and none is lost', async () => {
  const name = freshName();
  const { playbook_id } = await created(yamlOf(name));
  const texts = Array.from({ length: 8 }, (_, index) => yamlOf(name, `note: ${index}`));
  for (const answer of await Promise.all(texts.map((yaml_content) => patch(playbook_id, { yaml_content })))) {
    expect(answer.status).toBe(200);
  }
  const { entries } = await get(`/v2/playbooks/${playbook_id}/versions`);
  expect(entries.map(({ version }: { version: number }) => version)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1]);
  expect(new Set(entries.map(({ yaml_content }: { yaml_content: string }) => yaml_content)).size).toBe(9);
});

test('triggers of the text follow the text, those of the interface stay', async () => {
  const name = freshName();
  const text = (patterns: string[]) =>
    yamlOf(name, `trigger: [${patterns.map((pattern) => `{service_pattern: ${pattern}}`)}]`);
  const { playbook_id } = await created(text(['a', 'b', 'b']));
  const path = `/v2/playbooks/${playbook_id}/triggers`;
  const own = resultsOf(await medic.call('POST', path, { service_pattern: 'own' }), 201);
  expect(own).toEqual({
    trigger_id: own.trigger_id,
    playbook_id,
    service_pattern: 'own',
    consecutive_failures: 1,
    enabled: true,
    managed_by: 'api',
  });
  const before = await triggersOf(playbook_id);
  await patch(playbook_id, { yaml_content: text(['b', 'c']) });
  const after = await triggersOf(playbook_id);
  expect(after.map(({ service_pattern: p }: { service_pattern: string }) => p).toSorted()).toEqual([
    'b',
    'c',
    'own',
  ]);
  // What says the same as before stays the same trigger.
  const ids = before.map(({ trigger_id }: { trigger_id: number }) => trigger_id);
  expect(after.filter(({ trigger_id }: { trigger_id: number }) => ids.includes(trigger_id))).toHaveLength(2);
  await patch(playbook_id, { yaml_content: yamlOf(name) });
  expect(await triggersOf(playbook_id)).toEqual([own]);

  const changed = resultsOf(
    await medic.call('PATCH', `${path}/${own.trigger_id}`, { enabled: false, consecutive_failures: 3 }),
  );
  expect(changed).toEqual({ ...own, enabled: false, consecutive_failures: 3 });
  expect(await get(`/v2/playbooks/${playbook_id}`)).toMatchObject({ trigger_type: 'manual' });
  expect(resultsOf(await medic.call('DELETE', `${path}/${own.trigger_id}`))).toBe('');
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    const answer = await medic.call(method, `${path}/${own.trigger_id}`, method === 'PATCH' ? {} : undefined);
    expectFailure(answer, 404, String(own.trigger_id));
  }
});

test('a trigger of the text is not changed through the interface', async () => {
  const { playbook_id } = await created(yamlOf(freshName(), 'trigger: {service_pattern: a}'));
  const [trigger] = await triggersOf(playbook_id);
  expect(trigger.managed_by).toBe('yaml');
  const path = `/v2/playbooks/${playbook_id}/triggers/${trigger.trigger_id}`;
  expect(await get(path)).toEqual(trigger);
  expectFailure(await medic.call('PATCH', path, { enabled: false }), 409, 'YAML');
  expectFailure(await medic.call('DELETE', path), 409, 'YAML');
  const other = await created(yamlOf(freshName()));
  const elsewhere = `/v2/playbooks/${other.playbook_id}/triggers/${trigger.trigger_id}`;
  expectFailure(await medic.call('GET', elsewhere), 404);
});

test.each([
  [{}, 'service_pattern'],
  [{ service_pattern: '' }, 'service_pattern'],
  [{ service_pattern: 'x'.repeat(256) }, 'service_pattern'],
  [{ service_pattern: 'a\u0000' }, 'service_pattern'],
  [{ service_pattern: 'a', consecutive_failures: 0 }, 'consecutive_failures'],
  [{ service_pattern: 'a', consecutive_failures: 2 ** 31 }, 'consecutive_failures'],
  [{ service_pattern: 'a', consecutive_failures: '1' }, 'consecutive_failures'],
  [{ service_pattern: 'a', enabled: 1 }, 'enabled'],
  [{ service_pattern: 'a', managed_by: 'yaml' }, 'managed_by'],
])('the trigger %j is refused and names %s', async (body, member) => {
  const { playbook_id } = await created(yamlOf(freshName()));
  expectFailure(await medic.call('POST', `/v2/playbooks/${playbook_id}/triggers`, body), 400, member);
  expectFailure(await medic.call('POST', '/v2/playbooks/999999/triggers', { service_pattern: 'a' }), 404);
});

test('a playbook has no more than 100 triggers, wherever they come from', async () => {
  const name = freshName();
  const triggers = (count: number) =>
    yamlOf(name, `trigger: [${Array.from({ length: count }, (_, index) => `{service_pattern: p${index}}`)}]`);
  const { playbook_id } = await created(triggers(99));
  const path = `/v2/playbooks/${playbook_id}/triggers`;
  resultsOf(await medic.call('POST', path, { service_pattern: 'last' }), 201);
  expectFailure(await medic.call('POST', path, { service_pattern: 'more' }), 409, '100');
  expectFailure(await patch(playbook_id, { yaml_content: triggers(100) }), 409, '100');
  expect(await get(`/v2/playbooks/${playbook_id}`)).toMatchObject({ version: 1 });
});

test('the schema is served to everybody', async () => {
  const answer = await medic.call('GET', '/schemas/playbook.json', undefined, { authorization: '' });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  expect(answer.body).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    required: ['name', 'steps'],
  });
  expect(answer.body.properties.steps.items.allOf).toHaveLength(4);
});

test('reading needs the scope read, defining needs admin', async () => {
  const { playbook_id } = await created(yamlOf(freshName()));
  const path = `/v2/playbooks/${playbook_id}`;
  const reader = { authorization: (await keyWith(medic, ['read'])).authorization };
  const writer = { authorization: (await keyWith(medic, ['write'])).authorization };
  const yaml_content = yamlOf(freshName());
  const status = async (method: string, target: string, body: unknown, headers: Record<string, string>) =>
    (await medic.call(method, target, body, headers)).status;
  for (const target of [
    '/v2/playbooks',
    path,
    `${path}/versions`,
    `${path}/versions/1`,
    `${path}/triggers`,
  ]) {
    expect(await status('GET', target, undefined, reader)).toBe(200);
    expect(await status('GET', target, undefined, writer)).toBe(403);
  }
  expect(await status('POST', '/v2/playbooks/validate', { yaml_content }, reader)).toBe(200);
  for (const key of [reader, writer]) {
    expect(await status('POST', '/v2/playbooks', { yaml_content }, key)).toBe(403);
    expect(await status('PATCH', path, {}, key)).toBe(403);
    expect(await status('DELETE', path, undefined, key)).toBe(403);
    expect(await status('POST', `${path}/triggers`, { service_pattern: 'a' }, key)).toBe(403);
    expect(await status('GET', '/v2/scripts', undefined, key)).toBe(403);
  }
});

test('a text of 256 KiB survives the database byte for byte', async () => {
  const head = yamlOf(freshName(), '# ');
  const yaml_content = head + 'ä'.repeat((262_144 - Buffer.byteLength(head)) / 2);
  const { playbook_id } = await created(yaml_content);
  expect((await get(`/v2/playbooks/${playbook_id}`)).yaml_content).toBe(yaml_content);
  const { rows } = await medic.db.query<{ count: number }>(sql`
    select count(*)::int as count from medic.playbook_versions where playbook_id = ${playbook_id}`);
  expect(rows[0]?.count).toBe(1);
});
