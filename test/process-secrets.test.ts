import { randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { cleanUp, query, start, tempFolder } from './fixtures/embedded-postgres-harness.ts';
import { endMedics, eventually, type MedicProcess, runMedic, send } from './harness/process.ts';
import { FakePagerDuty } from './harness/receivers.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

const ROUTING_KEY = randomBytes(16).toString('hex');
let pagerDuty: FakePagerDuty;

afterEach(async () => {
  await endMedics();
  await pagerDuty.close();
  await cleanUp();
});

async function startMedic(
  dataDir: string,
  env: Record<string, string> = {},
): Promise<{ medic: MedicProcess; url: string }> {
  const medic = runMedic({
    env: {
      MEDIC_DATA_DIR: dataDir,
      MEDIC_AUTH_MODE: 'off',
      PAGERDUTY_ROUTING_KEY: ROUTING_KEY,
      PAGERDUTY_EVENTS_URL: `${pagerDuty.url}/v2/enqueue`,
      MEDIC_LOG_LEVEL: 'DEBUG',
      ...env,
    },
  });
  return { medic, url: await medic.url() };
}

async function stop({ medic }: { medic: MedicProcess }): Promise<void> {
  medic.child.kill('SIGTERM');
  await medic.ended();
}

async function keyIds(dataDir: string): Promise<Set<unknown>> {
  const server = await start(dataDir);
  const sealed = await query(
    server.connection,
    `select key_id from medic.secrets union all
     select split_part(address ->> 'credentials', ':', 2) from medic.notifications where channel = 'pagerduty'`,
  );
  await server.stop();
  return new Set(sealed);
}

test('the embedded database: a generated key, and its rotation while Medic runs and while it does not', async () => {
  pagerDuty = new FakePagerDuty();
  await pagerDuty.listen();
  const dataDir = join(await tempFolder(), 'data');
  const first = await startMedic(dataDir);
  const warnings = first.medic.lines().filter(({ level }) => level === 'WARNING');
  const file = join(dataDir, 'secrets.key');
  expect(warnings).toContainEqual(
    expect.objectContaining({ file, message: expect.stringContaining('generated') }),
  );
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const generated = (await readFile(file, 'utf8')).trim();

  const service = { heartbeat_name: 'a', service_name: 'A', alert_interval_seconds: 3600 };
  await send(first.url, 'POST', '/v2/services', service);
  await send(first.url, 'POST', '/heartbeat', { heartbeat_name: 'a', status: 'DOWN' });
  expect((await send(first.url, 'POST', '/v2/secrets', { name: 'A', value: 'hunter2' })).status).toBe(201);
  await eventually('a page', 10_000, () => pagerDuty.events.length === 1);

  // While it runs: through its socket.
  const next = randomBytes(32).toString('base64');
  const rotation = {
    MEDIC_DATA_DIR: dataDir,
    MEDIC_SECRETS_KEY: next,
    MEDIC_SECRETS_KEY_PREVIOUS: generated,
  };
  const running = runMedic({ args: ['rotate-secrets'], env: rotation });
  expect(await running.ended()).toMatchObject({ code: 0 });
  expect(running.output()).toContain('secrets: 1 re-encrypted\naddresses of notifications: 1 re-encrypted\n');
  await stop(first);

  // The variable wins over the file, which stays.
  const second = await startMedic(dataDir, { MEDIC_SECRETS_KEY: next });
  await send(second.url, 'POST', '/heartbeat', { heartbeat_name: 'a', status: 'UP' });
  await eventually('a resolve', 10_000, () => pagerDuty.events.length === 2);
  expect(pagerDuty.events[1]).toMatchObject({ event_action: 'resolve', routing_key: ROUTING_KEY });
  await stop(second);
  expect((await readFile(file, 'utf8')).trim()).toBe(generated);

  // While it does not run: the command starts the database, and stops it. The file is the current key again.
  const back = { MEDIC_DATA_DIR: dataDir, MEDIC_SECRETS_KEY_PREVIOUS: next };
  const stopped = runMedic({ args: ['rotate-secrets'], env: back });
  expect(await stopped.ended(), stopped.output()).toMatchObject({ code: 0 });
  expect(stopped.output()).toContain('secrets: 1 re-encrypted\naddresses of notifications: 2 re-encrypted\n');
  expect((await keyIds(dataDir)).size).toBe(1);

  for (const { medic } of [first, second]) {
    for (const secret of [generated, next, ROUTING_KEY, 'hunter2'])
      expect(medic.output()).not.toContain(secret);
  }
});

test('a damaged key file stops the start and is not replaced', async () => {
  pagerDuty = new FakePagerDuty();
  await pagerDuty.listen();
  const dataDir = await tempFolder();
  const file = join(dataDir, 'secrets.key');
  await writeFile(file, 'hunter2\n');
  const medic = runMedic({ env: { MEDIC_DATA_DIR: dataDir } });
  expect(await medic.ended()).toMatchObject({ code: 1 });
  expect(medic.output()).toContain(`medic: ${file} is damaged`);
  expect(medic.output()).not.toContain('hunter2');
  expect(await readFile(file, 'utf8')).toBe('hunter2\n');
});
