import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Terminal } from './harness/cli.ts';
import { FakeMedic } from './harness/fake-medic.ts';

let server: FakeMedic;
let terminal: Terminal;

beforeEach(async () => {
  server = new FakeMedic('backup');
  await server.listen();
  terminal = new Terminal({ MEDIC_BASE_URL: server.url });
});
afterEach(async () => {
  await server.close();
  terminal.close();
});

const shell = (script: string, ...options: string[]) => [
  'run',
  'backup',
  ...options,
  '--',
  'sh',
  '-c',
  script,
];

test.for([
  { code: 0, kind: 'complete', message: null },
  { code: 1, kind: 'fail', message: 'exit code 1' },
  { code: 3, kind: 'fail', message: 'exit code 3' },
  { code: 255, kind: 'fail', message: 'exit code 255' },
])('the exit code $code of the command is that of the wrapper', async ({ code, kind, message }) => {
  const ended = await terminal.run(shell(`exit ${code}`));

  expect(ended).toMatchObject({ code, stderr: '' });
  expect(server.story).toEqual(['backup start', `backup ${kind}`]);
  const [start, end] = server.told;
  expect(end?.message).toBe(message);
  expect(start?.runId).toMatch(/^[0-9a-f-]{36}$/);
  expect(end?.runId).toBe(start?.runId);
});

test('a command that is not there is reported and ends with 127, one that cannot be executed with 126', async () => {
  const missing = await terminal.run(['run', 'backup', '--', 'no-such-command']);
  expect(missing.code).toBe(127);
  expect(missing.stderr).toBe('medic: no-such-command: command not found\n');
  const file = path.join(terminal.folder, 'plain');
  fs.writeFileSync(file, 'data', { mode: 0o644 });
  expect((await terminal.run(['run', 'backup', '--', file])).code).toBe(126);

  expect(server.told.map(({ kind, message }) => [kind, message?.split(':')[0]])).toEqual([
    ['start', undefined],
    ['fail', 'exit code 127'],
    ['start', undefined],
    ['fail', 'exit code 126'],
  ]);
});

test.for([
  ['KILL', 137],
  ['TERM', 143],
  ['SEGV', 139],
] as const)('death by SIG%s ends with %i and is reported', async ([name, code]) => {
  const ended = await terminal.run(shell(`kill -${name} $$`));
  expect(ended.code).toBe(code);
  expect(server.told[1]).toMatchObject({ kind: 'fail', message: `exit code ${code} (SIG${name})` });
});

test('output and error stay apart and unchanged, byte for byte, and input reaches the command', async () => {
  const bytes = randomBytes(3_000_000);
  const ended = await terminal.run(shell('tee /dev/stderr | wc -c >&2; exit 0'), { input: 'no binary\n' });
  expect(ended.stderr).toBe('no binary\n10\n');

  const echoed = await terminal.run(['run', 'backup', '--', 'cat'], { input: bytes });
  expect(echoed.stdout.equals(bytes)).toBe(true);
  expect(echoed.stderr).toBe('');
  const { message } = server.told.at(-1) ?? {};
  expect(Buffer.byteLength(message ?? '')).toBeLessThanOrEqual(10_240);
});

test('a script may open /dev/stdout and /dev/stderr, as it may without the wrapper', async () => {
  const ended = await terminal.run(shell('echo one > /dev/stdout; echo two > /dev/stderr'));
  expect(ended).toMatchObject({ code: 0, stderr: 'two\n' });
  expect(ended.stdout.toString()).toBe('one\n');
});

test('where output and error are one file, the order of the lines stays', async () => {
  const script = 'for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done';
  const log = path.join(terminal.folder, 'log');
  const wrapper = `"$0" "$1" run backup -- sh -c '${script}' > ${log} 2>&1`;
  const [node, main] = [path.resolve('node_modules/.bin/node'), path.resolve('src/main.ts')];
  const env = { ...process.env, ...terminal.environment };
  // Asynchronous, because the server answers in this process.
  await new Promise((resolve) => spawn('sh', ['-c', wrapper, node, main], { env }).once('close', resolve));
  const expected = spawnSync('sh', ['-c', `{ ${script}; } 2>&1`]).stdout.toString();
  expect(fs.readFileSync(log, 'utf8')).toBe(expected);
  expect(server.told[1]?.message).toBe(expected);
});

test('the last 10 KB of the output are sent, and whole characters only', async () => {
  await terminal.run(shell('for i in $(seq 3000); do echo "zeile ä $i"; done; exit 4'));
  const { message } = server.told[1] ?? {};
  expect(message?.startsWith('exit code 4\n')).toBe(true);
  expect(message?.endsWith('zeile ä 2999\nzeile ä 3000\n')).toBe(true);
  const size = Buffer.byteLength(message ?? '');
  expect(size).toBeLessThanOrEqual(10_240);
  expect(size).toBeGreaterThan(10_230);
  expect(message).not.toContain('\ufffd');
});

test('--no-output sends none and passes everything through', async () => {
  const ended = await terminal.run(shell('echo secret; echo private >&2; exit 2', '--no-output'));
  expect(ended).toMatchObject({ code: 2, stderr: 'private\n' });
  expect(ended.stdout.toString()).toBe('secret\n');
  expect(server.told[1]).toMatchObject({ kind: 'fail', message: 'exit code 2' });
});

test('a reader that goes away ends the command as it does without the wrapper', async () => {
  const running = terminal.start(shell('exec yes'));
  await running.prints('y\ny\n');
  running.child.stdout?.destroy();
  expect((await running.ended).code).toBe(141);
  expect(server.told[1]).toMatchObject({ kind: 'fail' });
  expect(server.told[1]?.message?.startsWith('exit code 141 (SIGPIPE)\ny\n')).toBe(true);
});

test.for(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1'] as const)(
  '%s reaches the whole group of the command, and the end is still reported',
  async (signal) => {
    const short = signal.slice(3);
    const inner = `trap 'echo child got it; exit 0' ${short}; echo ready; while :; do sleep 0.05; done`;
    const running = terminal.start(shell(`trap 'echo parent got it; exit 7' ${short}; sh -c "${inner}"`));
    await running.prints('ready');
    running.child.kill(signal);
    const ended = await running.ended;
    expect(ended.code).toBe(7);
    expect(ended.stdout.toString()).toContain('child got it\nparent got it\n');
    expect(server.told[1]).toMatchObject({ kind: 'fail' });
  },
);

test('--timeout ends the group and reports the failure', async () => {
  const ended = await terminal.run(shell('sleep 30 & echo $!; wait', '--timeout', '1s'));
  expect(ended.code).toBe(143);
  expect(ended.took).toBeLessThan(8_000);
  const inner = Number(ended.stdout.toString());
  expect(() => process.kill(inner, 0)).toThrow('ESRCH');
  expect(server.told[1]?.message).toBe(`exit code 143 (SIGTERM), timed out after 1s\n${inner}\n`);
});

test('--timeout kills a group that does not want to end', async () => {
  const ended = await terminal.run(shell('trap "" TERM; sleep 30 & wait; sleep 30', '--timeout', '1s'));
  expect(ended.code).toBe(137);
  expect(server.told[1]).toMatchObject({
    kind: 'fail',
    message: 'exit code 137 (SIGKILL), timed out after 1s',
  });
});

test('processes that the command leaves behind are not waited for, and their output is still passed on', async () => {
  const running = terminal.start(shell('(sleep 2; echo afterwards) & echo first'));
  const exited = new Promise<number>((resolve) => {
    running.child.once('exit', () => resolve(server.told.length));
  });
  const started = performance.now();
  expect(await exited).toBe(2);
  expect(performance.now() - started).toBeLessThan(1_900);
  const ended = await running.ended;
  expect(ended.code).toBe(0);
  expect(ended.stdout.toString()).toBe('first\nafterwards\n');
  expect(server.told[1]).toMatchObject({ kind: 'complete', message: 'first\n' });
});

test('the command runs at once, whatever the server does', async () => {
  server.trouble = () => 'hang';
  const mark = path.join(terminal.folder, 'mark');
  const running = terminal.start(shell(`touch ${mark}; sleep 1`));
  for (let turn = 0; turn < 100 && !fs.existsSync(mark); turn += 1) await sleep(20);
  expect(fs.existsSync(mark)).toBe(true);
  expect(running.child.exitCode).toBeNull();
  expect((await running.ended).code).toBe(0);
});

test('where no pipe can be made, the output passes through and is not kept', async () => {
  const args = ['run', 'backup', '--', '/bin/sh', '-c', 'echo out; exit 3'];
  const ended = await terminal.run(args, { env: { PATH: terminal.folder } });
  expect(ended).toMatchObject({ code: 3, stderr: '' });
  expect(ended.stdout.toString()).toBe('out\n');
  expect(server.told[1]?.message).toBe('exit code 3');
});

test('nothing is left in the folder of temporary files', async () => {
  const folder = path.join(terminal.folder, 'temporary');
  fs.mkdirSync(folder);
  const ended = await terminal.run(shell('ls "$TMPDIR"; echo done'), { env: { TMPDIR: folder } });
  expect(ended.stdout.toString()).toBe('done\n');
  expect(server.told[1]?.message).toBe('done\n');
  expect(fs.readdirSync(folder)).toEqual([]);
});
