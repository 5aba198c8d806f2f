import { afterEach, beforeEach, expect, test } from 'vitest';
import { resultsOf } from '../harness/expectations.ts';
import { keyWith } from '../harness/keys.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeEach(async () => {
  medic = await startTestMedic({ MEDIC_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64') });
});
afterEach(() => medic.close());

/** The audit log, oldest first: what was done, by whom, with what details. */
async function trail(): Promise<{ action_type: string; actor: string; details: Record<string, unknown> }[]> {
  const { entries } = resultsOf(await medic.call('GET', '/v2/audit-logs'));
  return entries.toReversed();
}

test('every change of a key leaves its entry under the name of who made it, and no secret', async () => {
  const { authorization } = await keyWith(medic, ['admin'], { name: 'night shift' });
  const by = { authorization };
  const created = resultsOf(await medic.call('POST', '/v2/api-keys', { name: 'ci' }, by), 201);
  const path = `/v2/api-keys/${created.api_key_id}`;
  resultsOf(await medic.call('PATCH', path, { scopes: ['write'], name: 'deploy' }, by));
  resultsOf(await medic.call('PATCH', path, { scopes: ['write'] }, by));
  const rotated = resultsOf(await medic.call('POST', `${path}/rotate`, {}, by));
  resultsOf(await medic.call('DELETE', path, undefined, by));

  const entries = await trail();
  expect(new Set(entries.map(({ actor }) => actor))).toEqual(new Set(['night shift']));
  expect(entries.map(({ action_type, details }) => [action_type, details])).toEqual([
    ['key_created', { name: 'ci', key_prefix: created.key_prefix, scopes: ['read'] }],
    [
      'config_changed',
      {
        entity: 'api_key',
        entity_id: created.api_key_id,
        action: 'update',
        changed_fields: ['name', 'scopes'],
      },
    ],
    ['key_revoked', { name: 'deploy', key_prefix: created.key_prefix, scopes: ['write'], rotated: true }],
    ['key_created', { name: 'deploy', key_prefix: rotated.key_prefix, scopes: ['write'], rotated: true }],
    ['key_revoked', { name: 'deploy', key_prefix: rotated.key_prefix, scopes: ['write'] }],
  ]);
  for (const { key } of [created, rotated]) expect(JSON.stringify(entries)).not.toContain(key.slice(12));
});

test('a change of a key that is refused leaves none', async () => {
  const [admin] = resultsOf(await medic.call('GET', '/v2/api-keys')).entries;
  expect((await medic.call('DELETE', `/v2/api-keys/${admin.api_key_id}`)).status).toBe(409);
  expect((await medic.call('POST', '/v2/api-keys', { name: 'admin' })).status).toBe(409);
  expect((await medic.call('POST', '/v2/secrets', { name: 'A', value: 'abc' })).status).toBe(400);
  expect((await medic.call('DELETE', '/v2/secrets/NONE')).status).toBe(404);
  expect(await trail()).toEqual([]);
});

test('every change of a secret leaves its entry, without the value', async () => {
  resultsOf(await medic.call('POST', '/v2/secrets', { name: 'TOKEN', value: 'hunter2' }), 201);
  resultsOf(await medic.call('PATCH', '/v2/secrets/TOKEN', { value: 'hunter3' }));
  resultsOf(await medic.call('PATCH', '/v2/secrets/TOKEN', { description: 'hunting' }));
  resultsOf(await medic.call('PATCH', '/v2/secrets/TOKEN', {}));
  resultsOf(await medic.call('DELETE', '/v2/secrets/TOKEN'));
  const entries = await trail();
  expect(entries.map(({ details: { action, changed_fields } }) => [action, changed_fields])).toEqual([
    ['create', ['name', 'value', 'description']],
    ['update', ['value']],
    ['update', ['description']],
    ['delete', []],
  ]);
  for (const { action_type, actor, details } of entries) {
    expect([action_type, actor]).toEqual(['config_changed', 'admin']);
    expect(details).toMatchObject({ entity: 'secret', entity_id: 'TOKEN' });
  }
  expect(JSON.stringify(entries)).not.toMatch(/hunter|hunting/);
});
