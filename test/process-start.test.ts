import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test, vi } from 'vitest';
import { endMedics, eventually, register } from './harness/process.ts';
import { beat, createSite } from './harness/site.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

afterAll(endMedics);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('a database that goes away in the midst of the start is waited for, and nothing is received before it is back', async () => {
  const site = await createSite();
  // The last step of the start finds it shutting down.
  await site.query(`
    create function medic.away() returns trigger language plpgsql as
    $$ begin raise exception 'terminating connection' using errcode = '57P01'; end $$`);
  await site.query(`
    create trigger away before insert on medic.ingest_liveness for each row execute function medic.away()`);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const medic = site.run('all', { PORT: String(port) });
  await eventually('the wait', 10_000, () => medic.output().includes('the database does not answer'));
  // A second attempt fails as well.
  await sleep(2_500);
  expect([medic.child.exitCode, await beat(url, 'api')]).toEqual([null, 503]);
  await site.query('drop trigger away on medic.ingest_liveness');
  await eventually('ready', 10_000, async () => (await beat(url, 'api')) === 404);
  expect(await site.query('select from medic.ingest_liveness')).toHaveLength(1);
  await register(url, 'api');
  expect(await beat(url, 'api')).toBe(201);
  medic.child.kill('SIGTERM');
  expect(await medic.ended(), medic.output()).toMatchObject({ code: 0 });
  await site.close();
});
