/**
 * What `medic run x -- true` costs over `true` itself, with a server that answers and without one: medians of many
 * runs that take turns. Usage: node bench/run-overhead.ts [runs]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';

const runs = Number(process.argv[2] ?? 30);
const launcher = path.join(import.meta.dirname, '../bin/medic');
const folder = mkdtempSync(path.join(os.tmpdir(), 'medic-overhead-'));

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    const results = request.method === 'GET' ? [{ service_id: 1 }] : {};
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ success: true, message: '', results }));
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const up = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const wrapped = ['run', 'overhead', '--', 'true'];
const cases: Record<string, { file: string; args: string[]; url: string }> = {
  true: { file: 'true', args: [], url: up },
  'medic run, server up': { file: launcher, args: wrapped, url: up },
  // Port 3 is nobody's: connections are refused.
  'medic run, connection refused': { file: launcher, args: wrapped, url: 'http://127.0.0.1:3' },
};

const times = new Map(Object.keys(cases).map((name) => [name, [] as number[]]));
try {
  // The first round fills the compile cache and does not count.
  for (let round = 0; round <= runs; round += 1) {
    for (const [name, { file, args, url }] of Object.entries(cases)) {
      rmSync(path.join(folder, 'state'), { recursive: true, force: true });
      const ms = await time(file, args, url);
      if (round > 0) times.get(name)?.push(ms);
    }
  }
} finally {
  server.close();
  rmSync(folder, { recursive: true, force: true });
}

const bare = median(times.get('true') ?? []);
for (const [name, samples] of times) {
  const over = median(samples) - bare;
  process.stdout.write(
    `${name.padEnd(30)} median ${median(samples).toFixed(0).padStart(4)} ms   over true ${over.toFixed(0).padStart(4)} ms\n`,
  );
}

async function time(file: string, args: string[], url: string): Promise<number> {
  const env = { ...process.env, MEDIC_BASE_URL: url, XDG_STATE_HOME: path.join(folder, 'state') };
  const started = performance.now();
  const child = spawn(file, args, { env, stdio: 'ignore' });
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  return performance.now() - started;
}

function median(samples: number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? Number.NaN;
}
