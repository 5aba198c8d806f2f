import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { endMedics, eventually, Load, register, runMedic, send } from './harness/process.ts';
import { installedRedis, RedisServer } from './harness/redis.ts';
import { createSite, type Site } from './harness/site.ts';

const NAME = `Redis (${installedRedis ?? 'redis-server is not installed: SKIPPED'})`;

describe.skipIf(installedRedis === undefined)(`two processes on one ${NAME}`, () => {
  let redis: RedisServer;
  let site: Site;
  beforeAll(async () => {
    [redis, site] = await Promise.all([RedisServer.start(), createSite()]);
  });
  afterEach(endMedics);
  afterAll(() => Promise.all([redis.stop(), site.close()]));

  const two = (env: Record<string, string>) => {
    const medics = [1, 2].map(() =>
      site.run('api', {
        REDIS_URL: redis.url,
        REDIS_POOL_SIZE: '2',
        MEDIC_RATE_LIMITER_TYPE: 'auto',
        ...env,
      }),
    );
    return Promise.all(medics.map(async (medic) => ({ medic, url: await medic.url() })));
  };
  const ready = (url: string) =>
    eventually('ready', 20_000, async () => (await send(url, 'GET', '/health/ready')).status === 200);

  test('allow together exactly the limit, however their callers race', async () => {
    const nodes = await two({ RATE_LIMIT_HEARTBEAT_REQUESTS: '50', RATE_LIMIT_WINDOW_SECONDS: '600' });
    for (const { url } of nodes) await ready(url);
    const [{ url } = { url: '' }] = nodes;
    await register(url, 'shared');
    const beat = { heartbeat_name: 'shared', status: 'UP' };
    const answers = await Promise.all(
      Array.from({ length: 240 }, (_, i) => send(nodes[i % 2]?.url ?? '', 'POST', '/heartbeat', beat)),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(50);
    expect(statuses.filter((status) => status === 429)).toHaveLength(190);
    expect(await site.query('select count(*)::int from medic.heartbeats')).toEqual([{ count: 50 }]);
    const remaining = answers.map(({ headers }) => Number(headers.get('x-ratelimit-remaining')));
    expect(new Set(remaining)).toEqual(new Set(Array.from({ length: 50 }, (_, i) => i)));
    const health = await send(url, 'GET', '/health');
    expect(health.body.components.redis).toEqual({ status: 'healthy', latency_ms: expect.any(Number) });
    expect((await send(url, 'GET', '/health/ready')).body).toMatchObject({
      status: 'ready',
      redis: 'healthy',
    });
  });

  test('lose no heartbeat and answer no error while Redis is killed and comes back under load', async () => {
    const nodes = await two({});
    for (const { url } of nodes) await ready(url);
    await register(nodes[0]?.url ?? '', 'steady');
    const loads = nodes.map(({ url }) => new Load(url, 'steady', 8));
    await sleep(500);
    await redis.stop('SIGKILL');
    await sleep(2_000);
    const away = await send(nodes[0]?.url ?? '', 'GET', '/health');
    expect([away.status, away.body.status, away.body.components.redis]).toEqual([
      200,
      'degraded',
      { status: 'unhealthy' },
    ]);
    expect((await send(nodes[0]?.url ?? '', 'GET', '/health/ready')).status).toBe(200);
    await redis.start();
    for (const { url } of nodes) {
      await eventually('Redis', 10_000, async () => {
        const { text } = await send(url, 'GET', '/metrics');
        return text.includes('medic_rate_limiter_backend{backend="redis"} 1');
      });
    }
    await sleep(300);
    for (const load of loads) {
      await load.stop();
      expect([[...load.others], load.odd]).toEqual([[], []]);
      expect(load.acknowledged.size).toBeGreaterThan(100);
    }
    for (const { medic } of nodes) {
      const warnings = medic
        .lines()
        .filter(({ level, logger }) => level === 'WARNING' && logger === 'medic.rate-limit');
      expect(warnings).toHaveLength(1);
      expect(medic.lines().filter(({ level }) => level === 'ERROR')).toEqual([]);
    }
  });
});

test('MEDIC_RATE_LIMITER_TYPE=redis without REDIS_URL stops the start and names the variable', async () => {
  const medic = runMedic({
    args: ['api'],
    env: { MEDIC_RATE_LIMITER_TYPE: 'redis', DATABASE_URL: 'postgres://x@y/z' },
  });
  expect((await medic.ended()).code).toBe(1);
  expect(medic.output()).toContain('REDIS_URL: is needed with MEDIC_RATE_LIMITER_TYPE=redis');
});
