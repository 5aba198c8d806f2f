import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { revokeKey } from '../../src/features/access/manage.ts';
import { type DatabasePool, sql } from '../../src/platform/db.ts';
import { expectFailure, freshName, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
let adminId: number;
const pools: DatabasePool[] = [];

beforeEach(async () => {
  medic = await startTestMedic();
  adminId = resultsOf(await medic.call('GET', '/v2/api-keys')).entries[0].api_key_id;
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.end()));
  await medic.close();
});
afterAll(() => expect(pools).toEqual([]));

async function another(fields: Record<string, unknown> = {}): Promise<number> {
  const body = { name: freshName('admin'), scopes: ['admin'], ...fields };
  return resultsOf(await medic.call('POST', '/v2/api-keys', body), 201).api_key_id;
}

const revoke = (id: number) => medic.call('DELETE', `/v2/api-keys/${id}`);
const patch = (id: number, body: unknown) => medic.call('PATCH', `/v2/api-keys/${id}`, body);

async function admins(): Promise<number[]> {
  const { rows } = await medic.db.query<{ api_key_id: number }>(sql`
    select api_key_id from medic.api_keys where 'admin' = any(scopes) order by 1`);
  return rows.map((row) => row.api_key_id);
}

test('the last admin can neither be revoked, nor lose its scope, nor expire, but be renamed and rotated', async () => {
  await another({ scopes: ['read', 'write'] });
  for (const refused of [
    await revoke(adminId),
    await patch(adminId, { scopes: ['read', 'write'] }),
    await patch(adminId, { expires_at: '2099-01-01' }),
  ]) {
    expectFailure(refused, 409, 'admin', 'last');
  }
  expect(resultsOf(await patch(adminId, { name: 'root', scopes: ['admin'] })).scopes).toEqual(['admin']);
  resultsOf(await medic.call('POST', `/v2/api-keys/${adminId}/rotate`));
  expect(await admins()).toEqual([adminId]);
});

test('with another admin it can, and then that one cannot', async () => {
  const other = await another();
  resultsOf(await patch(other, { scopes: ['read'] }));
  expectFailure(await revoke(adminId), 409);
  resultsOf(await patch(other, { scopes: ['admin'] }));
  const { key } = resultsOf(await medic.call('POST', `/v2/api-keys/${other}/rotate`));
  resultsOf(await revoke(adminId));
  const headers = { authorization: `Bearer ${key}` };
  expectFailure(await medic.call('DELETE', `/v2/api-keys/${other}`, undefined, headers), 409);
});

test('an admin that has expired counts for nothing', async () => {
  await another({ expires_at: '2040-03-01T13:00:00Z' });
  resultsOf(await patch(adminId, { expires_at: '2040-03-01T12:30:00Z' }));
  resultsOf(await patch(adminId, { expires_at: null }));
  await medic.advance('61m');
  expectFailure(await revoke(adminId), 409);
});

test('of two admins that are revoked at the same moment one stays, in ten attempts', async () => {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const other = await another();
    const [one, two] = [medic.connect(2), medic.connect(2)];
    pools.push(one, two);
    const outcomes = await Promise.allSettled([
      revokeKey(medic.another(one).access, adminId, 'one'),
      revokeKey(medic.another(two).access, other, 'two'),
    ]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const left = await admins();
    expect(left).toHaveLength(1);
    if (left[0] === other) {
      // Whoever is left takes the place of the first, so that the next attempt has a key to begin with.
      await medic.db.query(sql`
        insert into medic.api_keys (name, key_prefix, key_hash, scopes, created_at, updated_at)
        values (${freshName('again')}, ${`again-${attempt}-`.slice(0, 8)}, 'x', '{admin}', ${medic.clock.now()}, ${medic.clock.now()})`);
      await medic.db.query(sql`delete from medic.api_keys where api_key_id = ${other}`);
      [adminId] = (await admins()) as [number];
    }
  }
});

test('of five admins that are revoked or lose their scope at once one stays', async () => {
  const ids = [adminId, ...(await Promise.all(Array.from({ length: 4 }, () => another())))];
  const answers = await Promise.all(
    ids.map((id, index) => (index % 2 === 0 ? revoke(id) : patch(id, { scopes: ['read'] }))),
  );
  // Those that ask with the key that was just revoked are not let in any more.
  for (const answer of answers) expect([200, 401, 403, 409]).toContain(answer.status);
  expect((await admins()).length).toBeGreaterThan(0);
});

test('of two admins that are to expire together one does not', async () => {
  const other = await another();
  const expires_at = '2040-04-01T00:00:00Z';
  const answers = await Promise.all([adminId, other].map((id) => patch(id, { expires_at })));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
});

test('nobody is locked out where nobody must authenticate', async () => {
  const open = await startTestMedic({ MEDIC_AUTH_MODE: 'off' });
  try {
    const { entries } = resultsOf(await open.call('GET', '/v2/api-keys'));
    resultsOf(await open.call('DELETE', `/v2/api-keys/${entries[0].api_key_id}`));
  } finally {
    await open.close();
  }
});
