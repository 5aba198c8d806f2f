import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ADMIN_KEY } from './harness/admin.ts';
import { Terminal } from './harness/cli.ts';
import { startTestMedic } from './harness/medic.ts';

let terminal: Terminal;
beforeEach(() => {
  terminal = new Terminal();
});
afterEach(() => terminal.close());

const VALID = 'name: p\nsteps: [{name: s, type: script, script: a, colour: red}]\n';
const INVALID = 'name: p\nsteps:\n  - {name: s, type: wait}\n  - {name: s, type: zz}\n';
const PROBLEMS = `3:5 steps[0].duration 1: is missing
4:12 steps[1].name 2: is the name of another step
4:21 steps[1].type 2: must be one of webhook, script, wait, condition
`;

const file = (content: string | Buffer) => {
  const name = path.join(terminal.folder, 'playbook.yaml');
  fs.writeFileSync(name, content);
  return name;
};
const validate = async (args: string[], options: { input?: string; env?: Record<string, string> } = {}) => {
  const { code, stdout, stderr } = await terminal.run(['playbook', 'validate', ...args], options);
  return { code, stdout: stdout.toString(), stderr };
};

test('without a server a playbook is checked offline, and every problem is a line', async () => {
  expect(await validate([file(INVALID)])).toEqual({ code: 1, stdout: PROBLEMS, stderr: '' });
  const name = file(VALID);
  const warning = '2:44 steps[0].colour 1: is not a known key and has no effect (warning)\n';
  expect(await validate([name])).toEqual({ code: 0, stdout: `${warning}${name} is valid\n`, stderr: '' });
  expect(await validate(['-'], { input: INVALID })).toMatchObject({ code: 1, stdout: PROBLEMS });
  const raw = await validate(['--json', name]);
  expect(JSON.parse(raw.stdout)).toMatchObject({ valid: true, errors: [], playbook: { name: 'p' } });
});

test('--offline asks no server even when one is given', async () => {
  const env = { MEDIC_BASE_URL: 'http://127.0.0.1:1', MEDIC_API_KEY: 'mdk_x' };
  expect(await validate(['--offline', file(INVALID)], { env })).toMatchObject({ code: 1, stdout: PROBLEMS });
  const refused = await validate([file(INVALID)], { env });
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(/^Error: /);
});

test('a server that is given is asked, and knows scripts and secrets', async () => {
  const medic = await startTestMedic();
  try {
    const env = { MEDIC_BASE_URL: medic.url, MEDIC_API_KEY: ADMIN_KEY };
    expect(await validate([file(INVALID)], { env })).toEqual({ code: 1, stdout: PROBLEMS, stderr: '' });
    const { code, stdout } = await validate([file(VALID)], { env });
    expect(code).toBe(0);
    expect(stdout).toContain('steps[0].script 1: names a script that does not exist: a (warning)\n');
    const url = await validate(['--url', medic.url, '--api-key', 'mdk_wrong', file(VALID)]);
    expect(url).toMatchObject({ code: 1, stderr: expect.stringContaining('Invalid API key') });
  } finally {
    await medic.close();
  }
});

test('a file that cannot be read, or is no text, is told and exits with 1', async () => {
  const missing = path.join(terminal.folder, 'missing.yaml');
  expect(await validate([missing])).toEqual({
    code: 1,
    stdout: '',
    stderr: `Error: ${missing} cannot be read (ENOENT)\n`,
  });
  const binary = file(Buffer.from([0x6e, 0xff, 0xfe]));
  expect(await validate([binary])).toMatchObject({ code: 1, stderr: `Error: ${binary} is not UTF-8\n` });
  expect(await validate([file('')])).toMatchObject({ code: 1, stdout: '1:1  is empty\n' });
  expect((await terminal.run(['playbook', 'validate'])).code).toBe(1);
});
