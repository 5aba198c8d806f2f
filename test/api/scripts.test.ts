import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectFailure, freshName, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const create = (fields: Record<string, unknown>) =>
  medic.call('POST', '/v2/scripts', {
    name: freshName('script'),
    content: 'true',
    interpreter: 'bash',
    ...fields,
  });
const created = async (fields = {}) => resultsOf(await create(fields), 201);
const patch = (id: number, body: unknown) => medic.call('PATCH', `/v2/scripts/${id}`, body);
const remove = (id: number) => medic.call('DELETE', `/v2/scripts/${id}`);
const playbook = async (script: string, active: boolean) =>
  resultsOf(
    await medic.call('POST', '/v2/playbooks', {
      yaml_content: `name: ${freshName('playbook')}\nsteps: [{name: s, type: script, script: ${script}}]`,
      active,
    }),
    201,
  );

test('a script is registered, read, changed and removed, and the audit log tells of it', async () => {
  const script = await created({
    name: 'restart-unit',
    interpreter: 'BASH',
    content: 'systemctl restart "$unit"\n',
  });
  const { script_id, warnings, ...shown } = script;
  expect({ shown, warnings }).toEqual({
    shown: {
      name: 'restart-unit',
      content: 'systemctl restart "$unit"\n',
      interpreter: 'bash',
      timeout_seconds: 30,
      created_at: '2040-03-01T12:00:00.000Z',
      updated_at: '2040-03-01T12:00:00.000Z',
    },
    warnings: [],
  });
  expect(resultsOf(await medic.call('GET', `/v2/scripts/${script_id}`))).toEqual({ script_id, ...shown });
  await medic.advance('1m');
  expect(resultsOf(await patch(script_id, { timeout_seconds: 3600 }))).toMatchObject({
    timeout_seconds: 3600,
    updated_at: '2040-03-01T12:01:00.000Z',
  });
  expect(resultsOf(await patch(script_id, { timeout_seconds: 3600 }))).toMatchObject({
    name: 'restart-unit',
  });
  expect(resultsOf(await medic.call('GET', '/v2/scripts')).entries).toHaveLength(1);
  expect(resultsOf(await remove(script_id))).toBe('');
  for (const answer of [
    await medic.call('GET', `/v2/scripts/${script_id}`),
    await patch(script_id, {}),
    await remove(script_id),
  ]) {
    expectFailure(answer, 404, `Script ${script_id}`);
  }
  const { entries } = resultsOf(await medic.call('GET', '/v2/audit-logs'));
  expect(entries.map(({ details }: { details: unknown }) => details).toReversed()).toEqual([
    {
      entity: 'script',
      entity_id: script_id,
      action: 'create',
      changed_fields: ['timeout_seconds', 'name', 'content', 'interpreter'],
    },
    { entity: 'script', entity_id: script_id, action: 'update', changed_fields: ['timeout_seconds'] },
    { entity: 'script', entity_id: script_id, action: 'delete', changed_fields: [] },
  ]);
});

test.each([
  [{ name: '' }, 'name'],
  [{ name: 'x'.repeat(101) }, 'name'],
  [{ name: 'a\nb' }, 'name'],
  [{ name: null }, 'name'],
  [{ content: '' }, 'content'],
  [{ content: 'a\u0000' }, 'content'],
  [{ content: '\ud800' }, 'content'],
  [{ content: 'x'.repeat(262_145) }, 'content'],
  [{ interpreter: 'perl' }, 'interpreter'],
  [{ interpreter: 'python3' }, 'interpreter'],
  [{ timeout_seconds: 0 }, 'timeout_seconds'],
  [{ timeout_seconds: 3601 }, 'timeout_seconds'],
  [{ timeout_seconds: '30s' }, 'timeout_seconds'],
  [{ script_id: 1 }, 'script_id'],
])('%j is refused and names %s', async (fields, member) => {
  expectFailure(await create(fields), 400, member);
  const { script_id } = await created();
  expectFailure(await patch(script_id, fields), 400, member);
});

test('what a script names in vain is a warning', async () => {
  const python = await created({ interpreter: 'python', content: `print("\${unit}")` });
  expect(python.warnings).toEqual([
    { line: 1, column: 8, path: 'content', message: expect.stringContaining('MEDIC_VAR_') },
  ]);
  const bash = await created({ content: `echo \${unit} \${secrets.NONE}` });
  expect(bash.warnings).toEqual([
    { line: 1, column: 14, path: 'content', message: 'names a secret that does not exist: NONE' },
  ]);
  expect(resultsOf(await patch(bash.script_id, { content: 'true' })).warnings).toEqual([]);
});

test('a name is taken once, however many try at the same time', async () => {
  const name = freshName('race');
  const answers = await Promise.all(Array.from({ length: 6 }, () => create({ name })));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409, 409, 409]);
  const { script_id } = await created();
  expectFailure(await patch(script_id, { name }), 409, name);
});

test('a script that an active playbook runs is neither removed nor renamed, but may be changed', async () => {
  const { script_id, name } = await created();
  const { playbook_id, name: user } = await playbook(name, true);
  expectFailure(await remove(script_id), 409, user, name);
  expectFailure(await patch(script_id, { name: freshName() }), 409, user);
  expect(resultsOf(await patch(script_id, { content: 'false' })).content).toBe('false');
  resultsOf(await medic.call('PATCH', `/v2/playbooks/${playbook_id}`, { active: false }));
  expect(resultsOf(await remove(script_id))).toBe('');
});

test('a removal and a playbook that names the script, at the same time: never both', async () => {
  for (let round = 0; round < 8; round += 1) {
    const { script_id, name } = await created();
    const { playbook_id } = await playbook(name, false);
    const [removed, activated, added] = await Promise.all([
      remove(script_id),
      medic.call('PATCH', `/v2/playbooks/${playbook_id}`, { active: true }),
      playbook(name, true),
    ]);
    expect([200, 409]).toContain(removed.status);
    expect(activated.status).toBe(200);
    // Removed: then whoever saved it was told that there is no such script.
    if (removed.status === 200) {
      const unknown = [expect.objectContaining({ path: 'steps[0].script' })];
      expect([added.warnings, resultsOf(activated).warnings]).toEqual([unknown, unknown]);
    } else expect(resultsOf(await medic.call('GET', `/v2/scripts/${script_id}`)).name).toBe(name);
  }
});
