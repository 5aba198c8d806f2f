import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { secretsFor } from '../../src/features/access/secrets.ts';
import { sql } from '../../src/platform/db.ts';
import { Vault } from '../../src/platform/vault.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

const KEY = randomBytes(32).toString('base64');
let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic({ MEDIC_SECRETS_KEY: KEY });
});
afterAll(() => medic.close());

let names = 0;
const newName = () => `SECRET_${++names}`;
const create = (body: unknown) => medic.call('POST', '/v2/secrets', body);
const valuesOf = (...wanted: string[]) => secretsFor(medic.db, medic.parts.context.vault, wanted);
const openedValue = async (name: string) => (await valuesOf(name)).get(name);
const sealedOf = async (name: string) => {
  const { rows } = await medic.db.query<{ sealed: string; key_id: string }>(
    sql`select sealed, key_id from medic.secrets where name = ${name}`,
  );
  return rows[0];
};

describe('a secret', () => {
  test('is created, and answered without its value', async () => {
    const name = newName();
    const value = randomBytes(20).toString('hex');
    const answer = await create({ name, value, description: 'for the webhook' });
    expect(answer).toMatchObject({ status: 201, body: { success: true } });
    const shown = {
      name,
      description: 'for the webhook',
      created_at: expect.any(String),
      updated_at: expect.any(String),
    };
    expect(answer.body.results).toEqual(shown);
    const one = await medic.call('GET', `/v2/secrets/${name}`);
    expect(one.body.results).toEqual(shown);
    const list = await medic.call('GET', '/v2/secrets?limit=250');
    expect(list.body.results.entries).toContainEqual(shown);
    for (const { body } of [answer, one, list]) expect(JSON.stringify(body)).not.toContain(value);
    expect(JSON.stringify(medic.lines)).not.toContain(value);
  });

  test('is sealed in the database, and opens to exactly its value', async () => {
    const name = newName();
    const value = 'pä"ss\\word\n{secrets.OTHER}';
    await create({ name, value });
    const row = await sealedOf(name);
    expect(row?.key_id).toBe(medic.parts.context.vault.currentKeyId);
    expect(row?.sealed).not.toContain('word');
    expect(await openedValue(name)).toBe(value);
  });

  test('changes its value, its description, or nothing', async () => {
    const name = newName();
    const created = (await create({ name, value: 'first', description: 'd' })).body.results;
    medic.clock.advance(1000);
    const path = `/v2/secrets/${name}`;
    expect((await medic.call('PATCH', path, {})).body.results).toEqual(created);

    const changed = await medic.call('PATCH', path, { value: 'second' });
    expect(changed.body.results).toMatchObject({ description: 'd', created_at: created.created_at });
    expect(changed.body.results.updated_at > created.updated_at).toBe(true);
    expect(await openedValue(name)).toBe('second');

    expect((await medic.call('PATCH', path, { description: 'e' })).body.results.description).toBe('e');
    expect((await medic.call('PATCH', path, { description: null })).body.results.description).toBeNull();
    expect(await openedValue(name)).toBe('second');
  });

  test('is removed, and its name is free again', async () => {
    const name = newName();
    await create({ name, value: 'first' });
    expect((await medic.call('DELETE', `/v2/secrets/${name}`)).body).toMatchObject({
      success: true,
      results: '',
    });
    expect((await medic.call('DELETE', `/v2/secrets/${name}`)).status).toBe(404);
    expect((await create({ name, value: 'second' })).status).toBe(201);
  });

  test('of a name that is taken is refused, in whatever order two ask', async () => {
    const name = newName();
    const answers = await Promise.all(['one1', 'two2', 'three'].map((value) => create({ name, value })));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409]);
    const winner = answers.findIndex(({ status }) => status === 201);
    expect(await openedValue(name)).toBe(['one1', 'two2', 'three'][winner]);
    // Names are told apart by their letter case.
    expect((await create({ name: name.toLowerCase(), value: 'other' })).status).toBe(201);
  });

  test.each(['four', 'éé', 'x'.repeat(65_536), 'é'.repeat(32_768), '    ', '\u0001\u007f\n\t'])(
    'may have the value %#',
    async (value) => {
      const name = newName();
      expect((await create({ name, value })).status).toBe(201);
      expect(await openedValue(name)).toBe(value);
    },
  );
});

describe('what is not a secret', () => {
  test.each([
    ['name', { value: 'value' }],
    ['name', { name: '', value: 'value' }],
    ['name', { name: '1ST', value: 'value' }],
    ['name', { name: 'A-B', value: 'value' }],
    ['name', { name: 'A\n', value: 'value' }],
    ['name', { name: 'Ä', value: 'value' }],
    ['name', { name: 'A'.repeat(129), value: 'value' }],
    ['name', { name: 5, value: 'value' }],
    ['value', { name: 'A' }],
    ['value', { name: 'A', value: null }],
    ['value', { name: 'A', value: 'abc' }],
    ['value', { name: 'A', value: 'é' }],
    ['value', { name: 'A', value: 'x'.repeat(65_537) }],
    ['value', { name: 'A', value: 'é'.repeat(32_769) }],
    ['value', { name: 'A', value: 'null\0' }],
    ['value', { name: 'A', value: 'half \ud800' }],
    ['description', { name: 'A', value: 'value', description: 'x'.repeat(501) }],
    ['description', { name: 'A', value: 'value', description: 5 }],
    ['key_id', { name: 'A', value: 'value', key_id: 'x' }],
  ])('is refused by its %s (%#)', async (member, body) => {
    const answer = await create(body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toContainEqual({ path: member, message: expect.any(String) });
    expect(JSON.stringify(answer.body)).not.toContain('xxxx');
  });

  test.each(['unknown', '1', 'A-B', 'A%00', '%ff', 'Ä', 'x'.repeat(500), '..%2Fsecrets', 'A%0A'])(
    'has no address: %s',
    async (name) => {
      for (const [method, body] of [
        ['GET'],
        ['PATCH', {}],
        ['PATCH', { value: 'value' }],
        ['DELETE'],
      ] as const) {
        const { status } = await medic.call(method, `/v2/secrets/${name}`, body);
        expect(name === '%ff' ? [400, 404] : [404]).toContain(status);
      }
    },
  );

  test('a change with an impossible value changes nothing', async () => {
    const name = newName();
    await create({ name, value: 'value', description: 'd' });
    const answer = await medic.call('PATCH', `/v2/secrets/${name}`, { value: 'abc', description: 'e' });
    expect(answer.status).toBe(400);
    expect((await medic.call('GET', `/v2/secrets/${name}`)).body.results.description).toBe('d');
  });

  test('whatever is sent, no answer is a 5xx and none repeats the value', async () => {
    const anything = fc.record(
      { name: fc.anything(), value: fc.anything(), description: fc.anything() },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(anything, async (body) => {
        const text = JSON.stringify(body) ?? '';
        for (const [method, path] of [
          ['POST', '/v2/secrets'],
          ['PATCH', '/v2/secrets/A'],
        ] as const) {
          expect((await medic.call(method, path, text)).status).toBeLessThan(500);
        }
      }),
      { numRuns: 100 },
    );
  });
});

test('the list is in order of names, in pages', async () => {
  await Promise.all(['list_b', 'list_a', 'list_C'].map((name) => create({ name, value: 'value' })));
  const all = (await medic.call('GET', '/v2/secrets?limit=250')).body.results;
  const listed = all.entries.map(({ name }: { name: string }) => name);
  expect(listed).toEqual(listed.toSorted());
  expect(all).toMatchObject({ total_count: listed.length, limit: 250, offset: 0, has_more: false });
  const page = (await medic.call('GET', '/v2/secrets?limit=2&offset=1')).body.results;
  expect(page.entries).toEqual(all.entries.slice(1, 3));
  expect(page).toMatchObject({ limit: 2, offset: 1, has_more: true });
  expect((await medic.call('GET', '/v2/secrets?limit=x&offset=-1')).body.results).toMatchObject({
    limit: 50,
    offset: 0,
  });
  expect((await medic.call('GET', '/v2/secrets?name=x')).status).toBe(400);
});

describe('for those who use them', () => {
  test('several are opened at once', async () => {
    const [one, two] = [newName(), newName()];
    await create({ name: one, value: 'value one' });
    await create({ name: two, value: 'value two' });
    expect(await valuesOf(one, two, one)).toEqual(
      new Map([
        [one, 'value one'],
        [two, 'value two'],
      ]),
    );
    expect(await valuesOf()).toEqual(new Map());
  });

  test('what does not exist, or was altered or exchanged in the database, is an error that names it', async () => {
    const [good, altered, other] = [newName(), newName(), newName()];
    await create({ name: good, value: 'good value' });
    await create({ name: altered, value: 'hunter2-altered' });
    await create({ name: other, value: 'hunter2-other' });
    await medic.db.query(sql`
      update medic.secrets set sealed = (select sealed from medic.secrets where name = ${other})
      where name = ${altered}`);
    await medic.db.query(sql`update medic.secrets set sealed = reverse(sealed) where name = ${other}`);
    const error: Error = await valuesOf(good, 'UNHEARD', altered, other).then(
      () => new Error('opened'),
      (reason) => reason,
    );
    expect(error).toMatchObject({ status: 503 });
    expect(error.message).toBe(
      `unknown secrets: UNHEARD; secrets that cannot be decrypted: ${[altered, other].join(', ')}`,
    );
  });

  test('a wrong key opens nothing', async () => {
    const name = newName();
    await create({ name, value: 'value' });
    const stranger = new Vault({ current: randomBytes(32), previous: undefined });
    await expect(secretsFor(medic.db, stranger, [name])).rejects.toThrow(`cannot be decrypted: ${name}`);
  });
});

describe('without a key', () => {
  let bare: TestMedic;
  beforeAll(async () => {
    bare = await startTestMedic();
  });
  afterAll(() => bare.close());

  test('writing and using is answered by 503, reading and removing goes on', async () => {
    const refusal = {
      status: 503,
      body: { success: false, message: 'secrets are not configured', results: '' },
    };
    expect(await bare.call('POST', '/v2/secrets', { name: 'A', value: 'value' })).toMatchObject(refusal);
    await bare.db.query(sql`
      insert into medic.secrets (name, sealed, created_at, updated_at)
      values ('OLD', 'v1:0123456789abcdef:x', ${bare.clock.now()}, ${bare.clock.now()})`);
    expect(await bare.call('PATCH', '/v2/secrets/OLD', { value: 'value' })).toMatchObject(refusal);
    await expect(secretsFor(bare.db, bare.parts.context.vault, ['OLD'])).rejects.toMatchObject({
      status: 503,
    });
    expect((await bare.call('GET', '/v2/secrets')).body.results.total_count).toBe(1);
    expect((await bare.call('PATCH', '/v2/secrets/OLD', { description: 'x' })).status).toBe(200);
    expect((await bare.call('DELETE', '/v2/secrets/OLD')).status).toBe(200);
  });

  test('a bad request is still told what is wrong with it', async () => {
    expect((await bare.call('POST', '/v2/secrets', { name: 'A', value: 'abc' })).status).toBe(400);
  });
});
