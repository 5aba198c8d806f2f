import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ADMIN_KEY } from './harness/admin.ts';
import { Terminal } from './harness/cli.ts';
import { envelope, FakeMedic } from './harness/fake-medic.ts';
import { START, startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;
let terminal: Terminal;

beforeEach(async () => {
  medic = await startTestMedic();
  terminal = new Terminal({ MEDIC_BASE_URL: medic.url, MEDIC_API_KEY: ADMIN_KEY });
});
afterEach(async () => {
  terminal.close();
  await medic.close();
});

/** Runs a command that is expected to succeed. @returns its lines. */
async function lines(...args: string[]): Promise<string[]> {
  const ended = await terminal.run(args);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return ended.stdout.toString().trimEnd().split('\n');
}

async function register(name: string, fields: Record<string, unknown> = {}): Promise<void> {
  const body = { heartbeat_name: name, service_name: 'Shop', alert_interval: 5, ...fields };
  expect((await medic.call('POST', '/v2/services', body)).status).toBe(201);
}

test('service list shows a table, service list --json the raw results', async () => {
  expect(await lines('service', 'list')).toEqual(['No results found.']);
  await register('checkout');
  await register('search', { team: 'core', priority: 'p1', active: false, alert_interval: 60 });

  expect(await lines('service', 'list')).toEqual([
    'Name     | Service | Active | Interval | Team             | Priority | Muted | Down',
    '---------+---------+--------+----------+------------------+----------+-------+-----',
    'checkout | Shop    | Yes    | 5m       | site-reliability | p3       | No    | No',
    'search   | Shop    | No     | 60m      | core             | p1       | No    | No',
  ]);
  expect(await lines('service', 'list', '--active')).toHaveLength(3);
  expect((await lines('service', 'list', '--team', 'core'))[2]).toMatch(/^search /);
  const raw = JSON.parse((await lines('service', 'list', '--json')).join('\n'));
  expect(raw).toEqual((await medic.call('GET', '/service')).body.results);
});

test('service get shows one service, and says when there is none', async () => {
  await register('checkout', { runbook: 'https://runbooks.example.com/c' });
  await register('bare');
  expect(await lines('service', 'get', 'CHECKOUT')).toEqual([
    'Heartbeat Name: checkout',
    'Service Name: Shop',
    'Active: Yes',
    'Alert Interval: 5 minutes',
    'Threshold: 1',
    'Team: site-reliability',
    'Priority: p3',
    'Muted: No',
    'Down: No',
    'Runbook: https://runbooks.example.com/c',
  ]);
  expect((await lines('service', 'get', 'bare')).at(-1)).toBe('Runbook: Not set');
  const missing = await terminal.run(['service', 'get', 'nobody']);
  expect(missing).toMatchObject({ code: 1, stderr: 'Error: Service nobody not found\n' });
});

test('service add registers and prints the ping URL', async () => {
  const [confirmation, ping] = await lines(
    'service',
    'add',
    'checkout',
    '--service',
    'Shop',
    '--interval',
    '15',
  );
  expect(confirmation).toBe('checkout is registered (id 1)');
  const { ping_url, alert_interval } = (await medic.call('GET', '/v2/services/1')).body.results;
  expect(ping).toBe(`Ping URL: ${ping_url}`);
  expect(alert_interval).toBe(15);

  const again = await terminal.run(['service', 'add', 'checkout', '--service', 'Shop', '--interval', '15']);
  expect(again).toMatchObject({ code: 1, stderr: 'Error: checkout is already registered\n' });
});

test('service mute and unmute change what the server knows', async () => {
  await register('checkout');
  const [muted] = await lines('service', 'mute', 'checkout', '--duration', '2h', '--reason', 'upgrade');
  expect(muted).toBe('checkout is muted until 2040-03-01T14:00:00.000Z');
  expect((await medic.call('GET', '/v2/services/1')).body.results).toMatchObject({
    muted: true,
    mute_reason: 'upgrade',
  });
  expect(await lines('service', 'unmute', 'checkout')).toEqual(['checkout is no longer muted']);
  expect((await medic.call('GET', '/v2/services/1')).body.results.muted).toBe(false);
  expect(await lines('service', 'mute', 'checkout')).toEqual([
    'checkout is muted until 2040-03-02T12:00:00.000Z',
  ]);
  const missing = await terminal.run(['service', 'mute', 'nobody']);
  expect(missing).toMatchObject({ code: 1, stderr: 'Error: Service nobody not found\n' });
});

test('heartbeat send is recorded, and heartbeat list shows it', async () => {
  await register('checkout');
  await register('search');
  expect(await lines('heartbeat', 'list')).toEqual(['No results found.']);
  expect(await lines('heartbeat', 'send', 'checkout')).toEqual(['Heartbeat UP of checkout recorded']);
  await lines('heartbeat', 'send', 'search', '--status', 'failed', '--run-id', '7', '--message', 'disk full');

  expect(await lines('heartbeat', 'list', '--name', 'search')).toEqual([
    'ID | Name   | Service | Time                     | Status',
    '---+--------+---------+--------------------------+-------',
    `2  | search | Shop    | ${START} | FAILED`,
  ]);
  expect(await lines('heartbeat', 'list', '--limit', '1')).toHaveLength(3);
  expect(await lines('heartbeat', 'list')).toHaveLength(4);
  const unknown = await terminal.run(['heartbeat', 'send', 'nobody']);
  expect(unknown).toMatchObject({ code: 1, stderr: 'Error: nobody is not registered\n' });
  const wrong = await terminal.run(['heartbeat', 'send', 'checkout', '--status', 'FINE']);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toMatch(/^Error: status: must be one of UP/);
});

test('alerts are listed and acknowledged', async () => {
  const name = 'a-name-that-is-much-longer-than-the-column-of-the-table';
  await register(name);
  expect(await lines('alerts', 'list')).toEqual(['No results found.']);
  await lines('heartbeat', 'send', name, '--status', 'DOWN');
  await medic.settle();

  const [heading, , row = ''] = await lines('alerts', 'list', '--active');
  expect(heading?.split(/ +\| /)).toEqual(['ID', 'Name', 'Active', 'Cycle', 'Created', 'Closed']);
  const [id, shown = '', ...rest] = row.split(/ +\| /);
  expect(shown.length).toBeLessThanOrEqual(50);
  expect([id, ...rest]).toEqual(['1', 'Yes', '1', START, '-']);
  expect(await lines('alerts', 'ack', '1')).toEqual(['Alert 1 is acknowledged']);
  expect((await medic.call('GET', '/v2/alerts/1')).body.results.acknowledged_at).toBe(START);

  await lines('heartbeat', 'send', name);
  await medic.settle();
  expect(await lines('alerts', 'list', '--active')).toEqual(['No results found.']);
  const closed = await terminal.run(['alerts', 'ack', '1']);
  expect(closed.code).toBe(1);
  expect(closed.stderr).toMatch(/^Error: /);
});

test('health exits with 0 only when the server is healthy', async () => {
  const ended = await terminal.run(['health']);
  expect(ended.code).toBe(1);
  const shown = ended.stdout.toString();
  expect(shown).toMatch(
    /^Status: DEGRADED\nTimestamp: 2040-\S+\nVersion: \S+\nComponents:\n {2}\[OK\] database: healthy\n/,
  );
  expect(shown).toContain('  [WARN] worker: unhealthy\n');
  expect(shown).toContain('  [OK] slack: configured\n');

  const server = new FakeMedic();
  server.trouble = () => ({ status: 200, body: JSON.stringify({ status: 'healthy', version: '1' }) });
  await server.listen();
  const healthy = await terminal.run(['health', '--url', server.url]);
  await server.close();
  expect(healthy.code).toBe(0);
  expect(healthy.stdout.toString()).toContain('Status: HEALTHY\n');
});

test('what is not a success is told in one line and exits with 1', async () => {
  const server = new FakeMedic();
  await server.listen();
  server.trouble = () => envelope(401, '', 'Invalid API key');
  const refused = await terminal.run(['service', 'list', '--url', server.url, '--api-key', 'mdk_secret']);
  expect(refused).toMatchObject({ code: 1, stderr: 'Error: Invalid API key\n' });
  expect(server.received[0]?.headers.authorization).toBe('Bearer mdk_secret');

  server.trouble = () => ({ status: 502, body: '<html>Bad gateway</html>' });
  const gateway = await terminal.run(['--url', server.url, 'alerts', 'list']);
  expect(gateway.code).toBe(1);
  expect(gateway.stderr).toBe(
    `Error: ${server.url} answered with status 502 and nothing that Medic would say\n`,
  );
  await server.close();

  for (const args of [['service', 'list'], ['health'], ['heartbeat', 'send', 'x'], ['alerts', 'ack', '1']]) {
    const ended = await terminal.run([...args, '--url', 'http://127.0.0.1:3']);
    expect(ended, args.join(' ')).toMatchObject({ code: 1 });
    expect(ended.stderr).toBe('Error: http://127.0.0.1:3 refuses connections\n');
  }
});

test.for([
  [['service']],
  [['service', 'get']],
  [['service', 'add', 'x', '--service', 'Shop']],
  [['service', 'nonsense']],
  [['heartbeat']],
  [['heartbeat', 'send']],
  [['alerts']],
  [['alerts', 'ack']],
] as const)('medic %s is incomplete: prints the help and exits with 1', async ([args]) => {
  const ended = await terminal.run([...args]);
  expect(ended.code).toBe(1);
  expect(ended.stdout.toString()).toContain(`Usage: medic ${args[0]}`);
});

test('names cannot move the cursor of the terminal', async () => {
  const server = new FakeMedic();
  server.trouble = () =>
    envelope(200, [
      { heartbeat_id: 1, heartbeat_name: 'a\u001b[2Jb', service_name: 'c\nd', time: 't', status: 'UP' },
    ]);
  await server.listen();
  const ended = await terminal.run(['heartbeat', 'list', '--url', server.url]);
  await server.close();
  expect(ended.stdout.toString().split('\n')[2]).toBe('1  | a [2Jb | c d     | t    | UP');
});

test('medic-cli is another name for these commands, and has no others', async () => {
  const launcher = path.join(import.meta.dirname, '../bin/medic-cli');
  const medicCli = (...args: string[]) => spawnSync(launcher, args, { encoding: 'utf8', timeout: 30_000 });
  const bare = medicCli();
  expect(bare.status).toBe(1);
  expect(bare.stdout).toContain('Usage: medic-cli ');
  expect(bare.stdout).not.toContain('migrate');
  expect(medicCli('worker').status).toBe(1);
  expect(medicCli('service').stdout).toContain('Usage: medic-cli service');
  expect(medicCli('--help').status).toBe(0);
  const link = path.join(terminal.folder, 'medic-cli');
  fs.symlinkSync(path.join(import.meta.dirname, '../bin/medic'), link);
  const refused = spawnSync(link, ['health', '--url', 'http://127.0.0.1:3'], { encoding: 'utf8' });
  expect(refused).toMatchObject({ status: 1, stderr: 'Error: http://127.0.0.1:3 refuses connections\n' });
});
