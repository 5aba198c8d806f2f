import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/platform/db.ts';
import { expectFailure, registered, resultsOf } from '../harness/expectations.ts';
import { startTestMedic, type TestMedic } from '../harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
  // What validation lets through and the database refuses: a value, and for no reason that Medic knows.
  await medic.db.query(sql`
    alter table medic.heartbeats add constraint poison check (message is distinct from 'refused value')`);
  await medic.db.query(sql`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no reason'; end $$`);
  await medic.db.query(sql`
    create trigger poison before insert on medic.heartbeats for each row
    when (new.message = 'refused row') execute function refuse()`);
});
afterAll(() => medic.close());

test.each([
  ['UP', 'refused value', 400],
  ['UP', 'refused row', 500],
  ['DOWN', 'refused value', 400],
  ['DOWN', 'refused row', 500],
])('a %s that the database refuses (%s) fails alone, with %i', async (status, poison, expected) => {
  const services = await Promise.all(Array.from({ length: 20 }, () => registered(medic)));
  const answers = await Promise.all(
    services.flatMap(({ heartbeat_name }, n) =>
      Array.from({ length: 10 }, (_, k) => {
        const message = n % 7 === 3 && k === 5 ? poison : `${n}.${k}`;
        return medic
          .call('POST', '/heartbeat', { heartbeat_name, status, message, run_id: `${n}.${k}` })
          .then((answer) => ({ answer, message, run: `${n}.${k}`, heartbeat_name }));
      }),
    ),
  );
  for (const { answer, message } of answers) {
    if (message === poison) expectFailure(answer, expected);
    else expect(resultsOf(answer, 201)).toBe('');
  }
  // What was acknowledged is stored, once; what was refused is not.
  for (const { heartbeat_name } of services) {
    const rows = resultsOf(await medic.call('GET', `/heartbeat?heartbeat_name=${heartbeat_name}`));
    const accepted = answers.filter((one) => one.heartbeat_name === heartbeat_name && one.message !== poison);
    expect(rows.map((row: { run_id: string }) => row.run_id).sort()).toEqual(
      accepted.map(({ run }) => run).sort(),
    );
  }
  if (expected === 500) {
    const body = JSON.stringify(answers.map(({ answer }) => answer.body));
    expect(body).not.toContain('no reason');
    expect(medic.lines.some((line) => line.level === 'ERROR')).toBe(true);
  }
});

test('a heartbeat for a name that cannot exist is refused while its neighbours are recorded', async () => {
  const { heartbeat_name } = await registered(medic);
  const names = [
    heartbeat_name,
    `${heartbeat_name}\0`,
    `${heartbeat_name}\ud800`,
    'unknown',
    '\0',
    heartbeat_name,
  ];
  const answers = await Promise.all(
    names.map((name) => medic.call('POST', '/heartbeat', { heartbeat_name: name, status: 'UP' })),
  );
  expect(answers.map(({ status }) => status)).toEqual([201, 400, 400, 404, 400, 201]);
});
