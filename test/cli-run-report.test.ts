import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Terminal } from './harness/cli.ts';
import { envelope, FakeMedic } from './harness/fake-medic.ts';

let server: FakeMedic;
let terminal: Terminal;

beforeEach(async () => {
  server = new FakeMedic('backup', 'report');
  await server.listen();
  terminal = new Terminal({ MEDIC_BASE_URL: server.url });
});
afterEach(async () => {
  await server.close();
  terminal.close();
});

/** Nothing listens there. */
const DOWN = { MEDIC_BASE_URL: 'http://127.0.0.1:3' };
const job = (script = 'true', ...options: string[]) => [
  'run',
  'backup',
  ...options,
  '--',
  'sh',
  '-c',
  script,
];

/** Makes the server that was down the one that is up: what is kept belongs to an address. */
function whileDown<T>(then: () => Promise<T>): Promise<T> {
  server.trouble = () => ({ status: 503, body: '' });
  return then().finally(() => {
    server.trouble = () => undefined;
    server.received.length = 0;
  });
}

test('a server that is down costs little, changes nothing, and is warned about once', async () => {
  const ended = await terminal.run(job('echo done; exit 5'), { env: DOWN });
  expect(ended.code).toBe(5);
  expect(ended.stdout.toString()).toBe('done\n');
  expect(ended.stderr).toBe(
    'medic: start and end of backup not reported: http://127.0.0.1:3 refuses connections; kept for the next run\n',
  );
  expect(ended.took).toBeLessThan(3_000);
  expect(terminal.kept).toHaveLength(2);
});

test('what could not be sent is sent by the next run, first and in order, with its original times', async () => {
  const before = Date.now();
  await whileDown(() => terminal.run(job('echo first; sleep 0.3; exit 9')));
  await whileDown(() => terminal.run(job('echo second')));
  const after = Date.now();
  expect(terminal.kept).toHaveLength(4);

  const ended = await terminal.run(job('echo third'));

  expect(ended.stderr).toBe('');
  expect(server.story).toEqual(
    ['start', 'fail', 'start', 'complete', 'start', 'complete'].map((kind) => `backup ${kind}`),
  );
  const [start, fail, , complete, , now] = server.told;
  const told =
    /^delayed: happened at (\S+), after (0\.[3-9]\d\d) s \(run ([0-9a-f-]{36})\)\nexit code 9\nfirst\n$/;
  const [, at = '', , run = ''] = told.exec(fail?.message ?? '') ?? [];
  expect(Date.parse(at)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(at)).toBeLessThanOrEqual(after);
  expect(fail?.runId).toBe(run);
  expect(start?.message).toMatch(new RegExp(`^delayed: happened at \\S+ \\(run ${run}\\)$`));
  expect(start?.runId, 'a late start must not shorten the run').toBeNull();
  expect(complete?.message).toMatch(/\nsecond\n$/);
  expect(now?.message).toBe('third\n');
  expect(terminal.kept).toEqual([]);
  const folders = fs.readdirSync(path.join(terminal.folder, 'state/medic/spool'));
  expect(folders).toEqual([]);
});

test('another job that uses the same server sends what the first one left', async () => {
  await whileDown(() => terminal.run(job()));
  await terminal.run(['run', 'report', '--', 'true']);
  expect(server.story).toEqual(['backup start', 'backup complete', 'report start', 'report complete']);
});

test('two runs at once send what is kept once', async () => {
  for (let round = 0; round < 3; round += 1) await whileDown(() => terminal.run(job(`exit ${round}`)));
  expect(terminal.kept).toHaveLength(6);
  const ended = await Promise.all(Array.from({ length: 4 }, () => terminal.run(job('sleep 0.2'))));
  expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(4).fill({ code: 0, stderr: '' }));

  const delayed = server.told.filter(({ message }) => message?.startsWith('delayed'));
  expect(delayed.map(({ kind }) => kind)).toEqual(['start', 'complete', 'start', 'fail', 'start', 'fail']);
  expect(server.told).toHaveLength(6 + 8);
  expect(terminal.kept).toEqual([]);
});

test('runs at once that cannot report lose nothing', async () => {
  server.trouble = () => ({ status: 500, body: '' });
  await Promise.all(Array.from({ length: 5 }, () => terminal.run(job())));
  expect(terminal.kept).toHaveLength(10);
});

test('what a run that was killed had claimed is sent by a later one', async () => {
  await whileDown(() => terminal.run(job()));
  const [file = ''] = terminal.kept;
  const folder = path.dirname(file);
  const longAgo = Date.now() - 120_000;
  const claim = `${folder}.claim-${longAgo}-dead`;
  fs.renameSync(folder, claim);
  fs.utimesSync(claim, longAgo / 1000, longAgo / 1000);
  await terminal.run(job());
  expect(server.story).toEqual(['start', 'complete', 'start', 'complete'].map((kind) => `backup ${kind}`));
});

test('torn and foreign files are dropped, and what is left is sent', async () => {
  await whileDown(() => terminal.run(job()));
  const [start = ''] = terminal.kept;
  fs.truncateSync(start, 20);
  fs.writeFileSync(path.join(path.dirname(start), '000-foreign.json'), '{"kind":"start"}');
  const ended = await terminal.run(job());
  expect(server.story).toEqual(['backup complete', 'backup start', 'backup complete']);
  expect(ended.code).toBe(0);
  expect(ended.stderr).toContain('a kept signal cannot be read and is dropped');
  expect(terminal.kept).toEqual([]);
});

test('signals older than a week are dropped, and so is the oldest beyond 500', async () => {
  await whileDown(() => terminal.run(job()));
  const [start = '', end = ''] = terminal.kept;
  const entry = JSON.parse(fs.readFileSync(start, 'utf8'));
  const folder = path.dirname(start);
  for (let number = 0; number < 500; number += 1)
    fs.copyFileSync(end, path.join(folder, `1${path.basename(end)}${number}.json`));
  fs.writeFileSync(
    start,
    JSON.stringify({ ...entry, at: new Date(Date.now() - 8 * 86_400_000).toISOString() }),
  );
  await whileDown(() => terminal.run(job()));
  expect(terminal.kept).toHaveLength(500);

  for (const file of terminal.kept.slice(1)) fs.rmSync(file);
  fs.writeFileSync(terminal.kept[0] ?? '', JSON.stringify({ ...entry, at: '2020-01-01T00:00:00.000Z' }));
  const ended = await terminal.run(job());
  expect(ended.stderr).toContain('from 2020-01-01T00:00:00.000Z is older than 7 days and is dropped');
  expect(server.story).toEqual(['backup start', 'backup complete']);
});

test('a folder that cannot be written costs the report and nothing else', async () => {
  const file = path.join(terminal.folder, 'file');
  fs.writeFileSync(file, '');
  const ended = await terminal.run(job('exit 6', '--spool', path.join(file, 'spool')), { env: DOWN });
  expect(ended.code).toBe(6);
  expect(ended.stderr).toContain('lost, because');
});

test('what is kept is readable by its owner only and holds no key', async () => {
  const env = { ...DOWN, MEDIC_API_KEY: 'mdk_very-secret' };
  await terminal.run(job(), { env });
  await terminal.run(job('true', '--ping-key', 'ping-secret'), { env });
  expect(terminal.kept).toHaveLength(4);
  for (const file of terminal.kept) {
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(`${file}${fs.readFileSync(file, 'utf8')}`).not.toMatch(/secret/);
  }
});

test('--strict exits with 70 when monitoring failed, and only then', async () => {
  expect((await terminal.run(job('true', '--strict'))).code).toBe(0);
  expect((await terminal.run(job('exit 3', '--strict'))).code).toBe(3);
  expect((await terminal.run(job('true', '--strict'), { env: DOWN })).code).toBe(70);
});

test('a server that does not answer holds the end up for a bounded time', async () => {
  server.trouble = () => 'hang';
  const ended = await terminal.run(job('exit 4'));
  expect(ended.code).toBe(4);
  expect(ended.took).toBeGreaterThan(2_900);
  expect(ended.took).toBeLessThan(6_000);
  expect(terminal.kept).toHaveLength(2);
});

test('a signal ends the waiting for a server that does not answer', async () => {
  server.trouble = () => 'hang';
  const running = terminal.start(job('echo over', '--retries', '3'));
  await running.prints('over');
  await sleep(300);
  running.child.kill('SIGTERM');
  const ended = await running.ended;
  expect(ended.code).toBe(0);
  expect(ended.took).toBeLessThan(3_000);
  expect(terminal.kept).toHaveLength(2);
});

test('--retries sends again after failures that may pass', async () => {
  let failures = 2;
  server.trouble = (path) =>
    path.endsWith('/complete') && failures-- > 0 ? { status: 503, body: 'no JSON' } : undefined;
  const ended = await terminal.run(job('true', '--retries', '2'));
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  expect(server.story).toEqual(['backup start', ...Array(3).fill('backup complete')]);
  expect(new Set(server.told.map(({ runId }) => runId)).size).toBe(1);
});

test('a wrong key is told, and what was refused for it is kept for a run with the right one', async () => {
  server.trouble = () => envelope(401, '', 'Invalid API key');
  const ended = await terminal.run(job('exit 8', '--retries', '5'), { env: { MEDIC_API_KEY: 'mdk_wrong' } });
  expect(ended.code).toBe(8);
  expect(ended.stderr).toBe(
    'medic: start and end of backup not reported: Invalid API key; kept for the next run\n',
  );
  expect(ended.stderr).not.toContain('mdk_wrong');
  server.trouble = () => undefined;
  server.received.length = 0;
  await terminal.run(job(), { env: { MEDIC_API_KEY: 'mdk_right' } });
  expect(server.story).toEqual(['start', 'fail', 'start', 'complete'].map((kind) => `backup ${kind}`));
  expect(server.received[0]?.headers.authorization).toBe('Bearer mdk_right');
});

test('a key that may write but not read reports by name', async () => {
  server.trouble = (path) => (path.startsWith('/service/') ? envelope(403, '', 'Insufficient') : undefined);
  const ended = await terminal.run(job('exit 1'));
  expect(ended).toMatchObject({ code: 1, stderr: '' });
  expect(server.story).toEqual(['backup STARTED', 'backup FAILED']);
  expect(server.told[0]?.runId).toBe(server.told[1]?.runId);
});

test('a service that is not registered is told and nothing is kept; --create registers it', async () => {
  const run = ['run', 'new job', '--', 'true'];
  const refused = await terminal.run(run);
  expect(refused.code).toBe(0);
  expect(refused.stderr).toBe(
    'medic: start and end of new job not reported: new job is not registered (--create registers it)\n',
  );
  expect(terminal.kept).toEqual([]);

  const options = ['--create', '--cron', '0 2 * * *', '--timezone', 'Europe/Berlin', '--grace', '5m'];
  const created = await terminal.run(['run', 'new job', ...options, '--', 'true']);
  expect(created).toMatchObject({ code: 0, stderr: '' });
  const registration = server.received.find(({ path }) => path === '/v2/services');
  expect(JSON.parse(registration?.body ?? '')).toEqual({
    heartbeat_name: 'new job',
    service_name: 'new job',
    expected_cron: '0 2 * * *',
    expected_timezone: 'Europe/Berlin',
    grace_period_seconds: 300,
  });
  expect(server.story).toEqual(['new job start', 'new job complete']);
});

test('with a ping key no API key is sent and no name is needed', async () => {
  const env = { MEDIC_PING_KEY: 'a-b-c', MEDIC_API_KEY: 'mdk_key' };
  const ended = await terminal.run(['run', '--', 'sh', '-c', 'echo out; exit 3'], { env });
  expect(ended).toMatchObject({ code: 3, stderr: '' });
  expect(server.story).toEqual(['a-b-c start', 'a-b-c fail']);
  expect(server.told[1]?.message).toBe('exit code 3\nout\n');
  expect(server.told[0]?.runId).toBe(server.told[1]?.runId);
  expect(server.received.every(({ headers }) => headers.authorization === undefined)).toBe(true);
});

test('an address that is none, or that redirects, is told and changes nothing', async () => {
  const broken = await terminal.run(job('exit 2'), { env: { MEDIC_BASE_URL: 'localhost:8080' } });
  expect(broken.code).toBe(2);
  expect(broken.stderr).toContain('MEDIC_BASE_URL: must be an absolute http or https address');

  server.trouble = (path) => ({ status: 301, body: '', headers: { location: `https://medic.test${path}` } });
  const moved = await terminal.run(['run', '--ping-key', 'secret-key', '--', 'true']);
  expect(moved.stderr).toContain('redirects to https://medic.test');
  expect(moved.stderr).not.toContain('secret-key');
});

test.for([
  [['run'], 'the command is missing'],
  [['run', 'backup'], 'the command is missing'],
  [['run', 'backup', 'true'], 'goes behind --'],
  [['run', '--', 'true'], 'the name of the service is missing'],
  [['run', 'backup', '--create', '--', 'true'], 'one of --interval and --cron is needed'],
  [['run', 'backup', '--grace', '5m', '--', 'true'], '--grace needs --create'],
  [['run', 'backup', '--timeout', 'soon', '--', 'true'], 'must be a duration'],
  [['run', 'backup', '--unknown', '--', 'true'], 'unknown option'],
] as const)('medic %s prints the help and exits with 1', async ([args, reason]) => {
  const ended = await terminal.run([...args]);
  expect(ended.code).toBe(1);
  expect(ended.stdout.toString()).toContain('Usage: medic run NAME [options] -- COMMAND [ARG ...]');
  expect(ended.stderr).toContain(reason);
  expect(server.received).toEqual([]);
});
