import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { atEnd } from './cleanup.ts';

export interface RedisChild {
  readonly pid: number;
  readonly url: string;
}

/** Starts the installed Redis on a free port of the loopback interface; it keeps nothing. */
export async function startRedis(): Promise<RedisChild> {
  const port = await freePort();
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn('redis-server', settings, { stdio: 'ignore', cwd: '/', detached: true });
  const failed = once(child, 'error').then(([error]) => Promise.reject(error));
  atEnd(async () => {
    if (child.exitCode !== null || child.pid === undefined) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  });
  await Promise.race([listens(port), failed]);
  return { pid: child.pid ?? 0, url: `redis://127.0.0.1:${port}` };
}

async function listens(port: number): Promise<void> {
  for (let patience = 500; patience > 0; patience -= 1) {
    const socket = net.connect(port, '127.0.0.1');
    const connected = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (connected) return;
    await sleep(10);
  }
  throw new Error('Redis does not listen');
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
