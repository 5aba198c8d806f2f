import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT } from './shape/files.ts';

let cache: string;
let registry: Server;
/** How the registry answers a question for advisories; undefined: not at all. */
let answer: { status: number; body: string } | undefined;
beforeEach(async () => {
  cache = mkdtempSync(path.join(tmpdir(), 'medic-audit-'));
  registry = createServer((request, response) => {
    request.resume();
    if (request.url === '/fastify') {
      const version = { name: 'fastify', version: '5.0.0' };
      response.end(JSON.stringify({ name: 'fastify', versions: { '5.0.0': version } }));
    } else if (answer !== undefined) {
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
    }
  });
  registry.listen(0, '127.0.0.1');
  await once(registry, 'listening');
});
afterEach(() => {
  registry.closeAllConnections();
  registry.close();
  rmSync(cache, { recursive: true, force: true });
});

/** Runs the audit of `.ci/run` against a registry of our own. */
async function audit(seconds = 30): Promise<{ code: number; output: string }> {
  const { port } = registry.address() as AddressInfo;
  const child = spawn(process.execPath, ['.ci/audit.mjs', String(seconds)], {
    cwd: ROOT,
    env: { ...process.env, npm_config_registry: `http://127.0.0.1:${port}`, npm_config_cache: cache },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [code] = await once(child, 'close');
  return { code, output };
}

const advisory = (severity: string) =>
  JSON.stringify({
    fastify: [
      {
        id: 1,
        url: 'https://example.com/1',
        title: 'A hole',
        severity,
        vulnerable_versions: '*',
        cwe: [],
        cvss: {},
      },
    ],
  });

test.each([
  ['high', 1],
  ['critical', 1],
  ['moderate', 0],
  ['low', 0],
])('a %s finding ends with %i', async (severity, code) => {
  answer = { status: 200, body: advisory(severity) };
  const result = await audit();
  expect(result.output).toContain(`1 ${severity}`);
  expect(result.code).toBe(code);
  if (code === 1) expect(result.output).toContain('A hole (https://example.com/1)');
});

test('no finding ends well', async () => {
  answer = { status: 200, body: '{}' };
  expect(await audit()).toEqual({ code: 0, output: 'audit: 0 critical, 0 high, 0 moderate, 0 low\n' });
});

test.each([
  ['has no such endpoint', { status: 405, body: 'no' }, 30],
  ['is broken', { status: 500, body: '<html>' }, 30],
  ['does not answer', undefined, 3],
] as const)('a registry that %s is told loudly and fails nothing', async (_name, given, seconds) => {
  answer = given;
  const result = await audit(seconds);
  expect(result.output).toContain('DEPENDENCIES WERE NOT AUDITED');
  expect(result.code).toBe(0);
});
