import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordEntries, recordEntry } from '../src/features/audit/record.ts';
import { sql } from '../src/platform/db.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic();
});
afterAll(() => medic.close());

const rows = async () => (await medic.db.query(sql`select * from medic.audit_entries order by log_id`)).rows;

test('entries are committed with what they tell of, in their order, or not at all', async () => {
  const at = medic.clock.now();
  const step = { actor: null, at, executionId: 7, playbookId: 3 };
  await medic.db.transaction((tx) =>
    recordEntries(tx, [
      {
        ...step,
        action: 'step_completed',
        details: { step_name: 'one', step_index: 0, output: 'a\0\ud800b' },
      },
      { ...step, action: 'step_failed', details: { step_name: 'two', step_index: 1, error_message: 'no' } },
    ]),
  );
  const lost = medic.db.transaction(async (tx) => {
    await recordEntry(tx, { ...step, action: 'cancelled', details: { playbook_name: 'gone' } });
    throw new Error('the deed failed');
  });
  await expect(lost).rejects.toThrow('the deed failed');
  expect(await rows()).toMatchObject([
    {
      action_type: 'step_completed',
      execution_id: 7,
      playbook_id: 3,
      service_id: null,
      details: { step_name: 'one', step_index: 0, output: 'a\ufffd\ufffdb' },
      actor: null,
      occurred_at: at,
    },
    { action_type: 'step_failed', details: { step_name: 'two', step_index: 1, error_message: 'no' } },
  ]);
});

test.each([
  'update medic.audit_entries set actor = null',
  'delete from medic.audit_entries',
  'truncate medic.audit_entries',
])('the database refuses "%s"', async (text) => {
  const before = await rows();
  expect(before).not.toEqual([]);
  await expect(medic.db.query({ text })).rejects.toThrow('the audit log is append-only');
  expect(await rows()).toEqual(before);
});
