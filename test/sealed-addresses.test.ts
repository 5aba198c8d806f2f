import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sealedAddresses } from '../src/features/notifications/credentials.ts';
import { sql } from '../src/platform/db.ts';
import { rotate } from '../src/platform/rotation.ts';
import { Vault } from '../src/platform/vault.ts';
import { runDueJobs, startTestMedic, type TestMedic } from './harness/medic.ts';

const ROUTING_KEY = randomBytes(16).toString('hex');
const KEY = randomBytes(32);
let medic: TestMedic;

beforeEach(async () => {
  medic = await startTestMedic({
    PAGERDUTY_ROUTING_KEY: ROUTING_KEY,
    MEDIC_SECRETS_KEY: KEY.toString('base64'),
  });
  await medic.call('POST', '/v2/services', {
    heartbeat_name: 'checkout',
    service_name: 'Checkout',
    alert_interval_seconds: 604_800,
  });
});
afterEach(() => medic.close());

const report = async (status: string) => {
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'checkout', status });
  await medic.settle();
};
const pages = () => medic.pagerDuty.events.map((event) => `${event.event_action} ${event.routing_key}`);
const dumpOf = async () => {
  const { rows } = await medic.db.query<{ text: string }>(sql`
    select string_agg(row_to_json(notification)::text, ' ') as text from medic.notifications notification`);
  return rows[0]?.text ?? '';
};
/** As a Medic without a key wrote them. */
const makeClear = (destination = 'default') =>
  medic.db.query(sql`
    update medic.notifications set
      address = address || jsonb_build_object('credentials', ${JSON.stringify({ routing_key: ROUTING_KEY })}::text)
    where channel = 'pagerduty' and destination = ${destination}`);

test('PagerDuty gets the routing key, and neither database, answers nor log show it', async () => {
  await report('DOWN');
  await report('UP');
  expect(pages()).toEqual([`trigger ${ROUTING_KEY}`, `resolve ${ROUTING_KEY}`]);
  const alert = await medic.call('GET', '/v2/alerts/1');
  for (const text of [await dumpOf(), JSON.stringify(alert.body), JSON.stringify(medic.lines)]) {
    expect(text).not.toContain(ROUTING_KEY);
    expect(text.length).toBeGreaterThan(100);
  }
  expect(JSON.stringify(alert.body)).not.toContain('v1:');
});

test('a receiver that repeats the routing key does not get it stored', async () => {
  medic.pagerDuty.answer = () => ({ status: 400, body: `{"message":"unknown key ${ROUTING_KEY}"}` });
  await report('DOWN');
  const { results } = (await medic.call('GET', '/v2/alerts/1')).body;
  const page = results.notifications.find(({ channel }: { channel: string }) => channel === 'pagerduty');
  expect(page).toMatchObject({ status: 'failed', response_body: '{"message":"unknown key ***"}' });
});

test('what was written in clear is still sent, resolved, and overtaken by what is sealed', async () => {
  await report('DOWN');
  await makeClear();
  medic.pagerDuty.answer = () => ({ status: 500, body: '{}' });
  await report('UP');
  medic.pagerDuty.answer = () => ({ status: 202, body: '{}' });
  await report('DOWN');
  await medic.advance('15m');
  await report('UP');
  expect(pages().map((page) => page.split(' ')[0])).toEqual(['trigger', 'resolve', 'trigger', 'resolve']);
  expect(new Set(pages().map((page) => page.split(' ')[1]))).toEqual(new Set([ROUTING_KEY]));
});

test('while the key is missing a message waits, and is sent when the key is back', async () => {
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'checkout', status: 'DOWN' });
  const other = medic.another();
  other.context.vault = new Vault({ current: randomBytes(32), previous: undefined });
  await runDueJobs(other);
  expect(medic.pagerDuty.events).toHaveLength(0);
  const { rows } = await medic.db.query(sql`
    select status, error from medic.notifications where channel = 'pagerduty'`);
  expect(rows).toEqual([
    {
      status: 'retrying',
      error: expect.stringMatching(/^the credential cannot be decrypted: sealed with the key/),
    },
  ]);
  await medic.advance('2s');
  expect(pages()).toEqual([`trigger ${ROUTING_KEY}`]);
});

test('an address that was moved to another destination is not sent', async () => {
  await medic.call('POST', '/heartbeat', { heartbeat_name: 'checkout', status: 'DOWN' });
  await medic.db.query(sql`update medic.notifications set destination = 'other' where channel = 'pagerduty'`);
  await medic.advance('20m');
  expect(medic.pagerDuty.events).toHaveLength(0);
  expect(medic.slack.messages).toHaveLength(1);
});

test('a rotation seals anew what is sealed and what is clear, and an incident stays the same', async () => {
  await report('DOWN');
  await makeClear();
  const next = new Vault({ current: randomBytes(32), previous: KEY });
  const count = (expected: number) => ({ resealed: expected, left: 0, unreadable: new Map() });
  expect(await rotate(medic.db, medic.parts.context.vault, sealedAddresses)).toMatchObject(count(1));
  expect(await dumpOf()).not.toContain(ROUTING_KEY);
  expect(await rotate(medic.db, next, sealedAddresses)).toMatchObject(count(1));
  expect(await rotate(medic.db, next, sealedAddresses)).toMatchObject(count(0));

  medic.parts.context.vault = next;
  medic.pagerDuty.answer = () => ({ status: 500, body: '{}' });
  await report('UP');
  medic.pagerDuty.answer = () => ({ status: 202, body: '{}' });
  await report('DOWN');
  await medic.advance('15m');
  expect(pages().map((page) => page.split(' ')[0])).toEqual(['trigger', 'resolve', 'trigger']);
  await report('UP');
  expect(pages().at(-1)).toBe(`resolve ${ROUTING_KEY}`);
});
