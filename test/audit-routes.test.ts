import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../src/platform/db.ts';
import { freshName, resultsOf } from './harness/expectations.ts';
import { startTestMedic, type TestMedic } from './harness/medic.ts';

/** Routes that change no configuration, and why they need no entry in the audit log. */
const NO_CONFIGURATION = [
  // Events, kept as such.
  ...['POST /heartbeat', 'POST /v1/heartbeat', 'POST /ping/{ping_key}', 'POST /ping/{ping_key}/{suffix}'],
  ...['start', 'complete', 'fail'].map((signal) => `POST /v2/heartbeat/{service_id}/${signal}`),
  // Changes of alerts, kept with the alert.
  ...['acknowledge', 'resolve'].map((action) => `POST /v2/alerts/{alert_id}/${action}`),
  // Messages that change nothing.
  'POST /v2/services/{service_id}/targets/{target_id}/test',
  'POST /v2/webhooks/{webhook_id}/test',
  // A question.
  'POST /v2/playbooks/validate',
  // Who is logged in.
  ...['POST /v2/session', 'DELETE /v2/session'],
];

let medic: TestMedic;
beforeAll(async () => {
  medic = await startTestMedic({ MEDIC_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64') });
});
afterAll(() => medic.close());

interface Entry {
  log_id: number;
  action_type: string;
  actor: string;
  details: { entity?: string; action?: string };
}

async function entriesAfter(logId: number): Promise<Entry[]> {
  const { rows } = await medic.db.query<Entry>(sql`
    select log_id, action_type, actor, details from medic.audit_entries where log_id > ${logId} order by log_id`);
  return rows;
}

/** What an entry says was done. */
function deedOf({ action_type, details: { entity, action } }: Entry): string {
  return action_type === 'config_changed' ? `${action} ${entity}` : action_type;
}

const name = () => freshName('thing');
const SERVICE = () => ({ heartbeat_name: name(), service_name: 'Thing', alert_interval_seconds: 600 });
const HOURS = { monday: [{ start: '09:00', end: '17:00' }] };
const TIMES = { start_time: '2041-01-01T00:00:00Z', end_time: '2041-01-01T01:00:00Z' };
const playbookNamed = (its: string) => `name: ${its}\nsteps:\n  - {name: pause, type: wait, duration: 30s}\n`;
const made = async (path: string, body: object) => resultsOf(await medic.call('POST', path, body), 201);

/** Of something that has its own path: how it is created, and a change of it. */
const THINGS: { path: string; id: string; entity: string; body: () => object; change: object }[] = [
  { path: '/v2/services', id: 'service_id', entity: 'service', body: SERVICE, change: { priority: 'p1' } },
  {
    path: '/v2/teams',
    id: 'team_id',
    entity: 'team',
    body: () => ({ name: name() }),
    change: { slack_channel_id: 'C1' },
  },
  {
    path: '/v2/schedules',
    id: 'schedule_id',
    entity: 'schedule',
    body: () => ({ name: name(), timezone: 'UTC', hours: HOURS }),
    change: { timezone: 'Europe/Berlin' },
  },
  {
    path: '/v2/maintenance-windows',
    id: 'window_id',
    entity: 'maintenance_window',
    body: () => ({ name: name(), ...TIMES }),
    change: { timezone: 'Europe/Berlin' },
  },
  {
    path: '/v2/webhooks',
    id: 'webhook_id',
    entity: 'webhook',
    body: () => ({ url: 'http://8.8.8.8/' }),
    change: { enabled: false },
  },
  {
    path: '/v2/secrets',
    id: 'name',
    entity: 'secret',
    body: () => ({ name: name().replaceAll('-', '_'), value: 'hidden' }),
    change: { description: 'new' },
  },
  {
    path: '/v2/playbooks',
    id: 'playbook_id',
    entity: 'playbook',
    body: () => ({ yaml_content: playbookNamed(name()) }),
    change: { active: false },
  },
  {
    path: '/v2/scripts',
    id: 'script_id',
    entity: 'script',
    body: () => ({ name: name(), content: 'true', interpreter: 'bash' }),
    change: { timeout_seconds: 60 },
  },
  {
    path: '/v2/api-keys',
    id: 'api_key_id',
    entity: 'api_key',
    body: () => ({ name: name() }),
    change: { name: 'renamed' },
  },
];

/** What keys leave instead of `create` and `delete`. */
const KEY_DEEDS: Record<string, string> = {
  'create api_key': 'key_created',
  'delete api_key': 'key_revoked',
};

/** A request to each route, made ready when it is called, and the deeds that the audit log must tell of it. */
interface Request {
  deeds: string[];
  send(): Promise<() => ReturnType<TestMedic['call']>>;
}

const REQUESTS: Record<string, Request> = {};
for (const { path, id, entity, body, change } of THINGS) {
  const one = `${path}/{${id}}`;
  const deed = (action: string) => [KEY_DEEDS[`${action} ${entity}`] ?? `${action} ${entity}`];
  const pathOf = async () => `${path}/${(await made(path, body()))[id]}`;
  REQUESTS[`POST ${path}`] = {
    deeds: deed('create'),
    send: async () => () => medic.call('POST', path, body()),
  };
  REQUESTS[`PATCH ${one}`] = {
    deeds: deed('update'),
    send: async () => {
      const its = await pathOf();
      return () => medic.call('PATCH', its, change);
    },
  };
  REQUESTS[`DELETE ${one}`] = {
    deeds: deed('delete'),
    send: async () => {
      const its = await pathOf();
      return () => medic.call('DELETE', its);
    },
  };
}

const TARGETS = '/v2/services/{service_id}/targets';
const TARGET = { type: 'slack', config: { channel_id: 'C1' } };

const TRIGGERS = '/v2/playbooks/{playbook_id}/triggers';
const TRIGGER = { service_pattern: 'worker-*' };

async function triggersPath(): Promise<string> {
  const { playbook_id } = await made('/v2/playbooks', { yaml_content: playbookNamed(name()) });
  return `/v2/playbooks/${playbook_id}/triggers`;
}

async function triggerPath(): Promise<string> {
  const path = await triggersPath();
  return `${path}/${(await made(path, TRIGGER)).trigger_id}`;
}

async function targetPath(): Promise<string> {
  const { service_id } = await made('/v2/services', SERVICE());
  const { target_id } = await made(`/v2/services/${service_id}/targets`, TARGET);
  return `/v2/services/${service_id}/targets/${target_id}`;
}

/** A request to a service that exists. */
function toService(method: string, suffix: string, body: object | undefined, deeds: string[]): Request {
  return {
    deeds,
    send: async () => {
      const { service_id } = await made('/v2/services', SERVICE());
      return () => medic.call(method, `/v2/services/${service_id}${suffix}`, body);
    },
  };
}

/** v1 knows a service by its name. */
function byName(prefix: string): Record<string, Request> {
  return {
    [`POST ${prefix}/service`]: {
      deeds: ['create service'],
      send: async () => () =>
        medic.call('POST', `${prefix}/service`, {
          heartbeat_name: name(),
          service_name: 'Thing',
          alert_interval: 5,
        }),
    },
    [`POST ${prefix}/service/{heartbeat_name}`]: {
      deeds: ['update service'],
      send: async () => {
        const { heartbeat_name } = await made('/v2/services', SERVICE());
        return () => medic.call('POST', `${prefix}/service/${heartbeat_name}`, { muted: 1 });
      },
    },
  };
}

const MUTE = { duration: '1h' };
Object.assign(REQUESTS, {
  ...byName(''),
  ...byName('/v1'),
  'POST /v2/services/{service_id}/mute': toService('POST', '/mute', MUTE, ['update service']),
  'POST /v2/services/{service_id}/unmute': {
    deeds: ['update service'],
    send: async () => {
      const { service_id } = await made('/v2/services', SERVICE());
      await medic.call('POST', `/v2/services/${service_id}/mute`, MUTE);
      return () => medic.call('POST', `/v2/services/${service_id}/unmute`);
    },
  },
  'POST /v2/services/{service_id}/ping-key/rotate': toService('POST', '/ping-key/rotate', undefined, [
    'update service',
  ]),
  'POST /v2/services/bulk': {
    deeds: ['update service', 'update service'],
    send: async () => {
      const ids = [await made('/v2/services', SERVICE()), await made('/v2/services', SERVICE())];
      const service_ids = ids.map(({ service_id }) => service_id);
      return () =>
        medic.call('POST', '/v2/services/bulk', { service_ids, action: 'set_priority', value: 'p1' });
    },
  },
  [`POST ${TARGETS}`]: toService('POST', '/targets', TARGET, ['create target']),
  [`PATCH ${TARGETS}/{target_id}`]: {
    deeds: ['update target'],
    send: async () => {
      const path = await targetPath();
      return () => medic.call('PATCH', path, { priority: 7 });
    },
  },
  [`DELETE ${TARGETS}/{target_id}`]: {
    deeds: ['delete target'],
    send: async () => {
      const path = await targetPath();
      return () => medic.call('DELETE', path);
    },
  },
  [`POST ${TRIGGERS}`]: {
    deeds: ['create trigger'],
    send: async () => {
      const path = await triggersPath();
      return () => medic.call('POST', path, TRIGGER);
    },
  },
  [`PATCH ${TRIGGERS}/{trigger_id}`]: {
    deeds: ['update trigger'],
    send: async () => {
      const path = await triggerPath();
      return () => medic.call('PATCH', path, { consecutive_failures: 3 });
    },
  },
  [`DELETE ${TRIGGERS}/{trigger_id}`]: {
    deeds: ['delete trigger'],
    send: async () => {
      const path = await triggerPath();
      return () => medic.call('DELETE', path);
    },
  },
  'POST /v2/snapshots/{snapshot_id}/restore': {
    deeds: ['update service'],
    send: async () => {
      const { service_id } = await made('/v2/services', SERVICE());
      await medic.call('PATCH', `/v2/services/${service_id}`, { priority: 'p1' });
      const { entries } = resultsOf(await medic.call('GET', `/v2/snapshots?service_id=${service_id}`));
      return () => medic.call('POST', `/v2/snapshots/${entries[0].snapshot_id}/restore`);
    },
  },
  'POST /v2/api-keys/{api_key_id}/rotate': {
    deeds: ['key_revoked', 'key_created'],
    send: async () => {
      const { api_key_id } = await made('/v2/api-keys', { name: name() });
      return () => medic.call('POST', `/v2/api-keys/${api_key_id}/rotate`);
    },
  },
} satisfies Record<string, Request>);

test('every route that changes something is tried here, or changes no configuration', async () => {
  const { body } = await medic.call('GET', '/docs/openapi.json');
  const changing = Object.entries<Record<string, unknown>>(body.paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .map((method) => method.toUpperCase())
      .filter((method) => ['POST', 'PUT', 'PATCH', 'DELETE'].includes(method))
      .map((method) => `${method} ${path}`),
  );
  expect([...Object.keys(REQUESTS), ...NO_CONFIGURATION].sort()).toEqual(changing.sort());
});

test.each(Object.entries(REQUESTS))(
  '%s leaves its entries, under the name of the caller',
  async (_, request) => {
    const send = await request.send();
    const before = (await entriesAfter(0)).at(-1)?.log_id ?? 0;
    const { status, body } = await send();
    expect([200, 201], JSON.stringify(body)).toContain(status);
    const entries = await entriesAfter(before);
    expect(entries.map(deedOf).sort()).toEqual(request.deeds.toSorted());
    expect(new Set(entries.map(({ actor }) => actor))).toEqual(new Set(['admin']));
  },
);

test('what a service takes with it when it is deleted is told, too, each by itself', async () => {
  const { service_id } = await made('/v2/services', SERVICE());
  await made(`/v2/services/${service_id}/targets`, TARGET);
  await made('/v2/webhooks', { url: 'http://8.8.8.8/', service_id });
  await made('/v2/maintenance-windows', { name: name(), ...TIMES, service_ids: [service_id] });
  const before = (await entriesAfter(0)).at(-1)?.log_id ?? 0;
  await medic.call('DELETE', `/v2/services/${service_id}`);
  expect((await entriesAfter(before)).map(deedOf).sort()).toEqual([
    'delete maintenance_window',
    'delete service',
    'delete target',
    'delete webhook',
  ]);
});
