import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../src/platform/clock.ts';
import { readConfig } from '../src/platform/config.ts';
import { Metrics } from '../src/platform/metrics.ts';
import { RateLimiter } from '../src/platform/sliding-window/limiter.ts';
import { recordingLogger } from './harness/logger.ts';
import { eventually } from './harness/process.ts';
import { installedRedis, RedisServer } from './harness/redis.ts';

const NAME = `Redis (${installedRedis ?? 'redis-server is not installed: SKIPPED'})`;

describe.skipIf(installedRedis === undefined)(`the window in ${NAME}`, () => {
  let redis: RedisServer;
  const running: Node[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());
  beforeEach(() => redis.query((client) => client.flushall()));
  afterEach(() => Promise.all(running.splice(0).map(({ limiter }) => limiter.stop())));

  interface Node {
    limiter: RateLimiter;
    lines: Record<string, unknown>[];
    warnings(): unknown[];
    metrics: Metrics;
  }

  /** As a process has it. */
  async function node(environment: Record<string, string> = {}): Promise<Node> {
    const { log, lines } = recordingLogger();
    const settings = readConfig({ REDIS_URL: redis.url, REDIS_POOL_SIZE: '3', ...environment });
    const clock = new ManualClock(new Date('2040-03-01T12:00:00Z'));
    const metrics = new Metrics();
    const limiter = new RateLimiter({ clock, log, metrics, settings });
    await limiter.start();
    const warnings = () => lines.filter(({ level }) => level === 'WARNING').map(({ message }) => message);
    const its = { limiter, lines, warnings, metrics };
    running.push(its);
    return its;
  }

  const allowedOf = async (asked: ReturnType<RateLimiter['take']>[]) =>
    (await Promise.all(asked)).filter(({ allowed }) => allowed).length;

  test('two processes together allow exactly the limit, whoever asks when', async () => {
    const [one, two] = [await node(), await node()];
    const asked = Array.from({ length: 1_000 }, (_, i) => (i % 2 === 0 ? one : two).limiter.take('a', 123));
    const more = sleep(5).then(() =>
      allowedOf(Array.from({ length: 600 }, (_, i) => (i % 3 === 0 ? two : one).limiter.take('a', 123))),
    );
    expect((await allowedOf(asked)) + (await more)).toBe(123);
    expect(await redis.query((client) => client.zcard('medic:ratelimit:a'))).toBe(123);
  });

  test('remaining counts down by one, and peek counts nothing', async () => {
    const { limiter } = await node();
    expect(await limiter.peek('a', 3)).toMatchObject({ allowed: true, remaining: 3 });
    const taken = await Promise.all([1, 2, 3, 4].map(() => limiter.take('a', 3)));
    expect(taken.map(({ remaining }) => remaining)).toEqual([2, 1, 0, 0]);
    expect(taken.map(({ allowed }) => allowed)).toEqual([true, true, true, false]);
    expect(await limiter.peek('a', 3)).toMatchObject({ allowed: false, remaining: 0 });
    expect(await limiter.take('other', 3)).toMatchObject({ remaining: 2 });
  });

  test('the window slides: what was counted leaves one window later, refused requests never were', async () => {
    const { limiter } = await node({ RATE_LIMIT_WINDOW_SECONDS: '1' });
    await limiter.take('a', 2);
    await sleep(600);
    await limiter.take('a', 2);
    const refused = await limiter.take('a', 2);
    expect(refused.allowed).toBe(false);
    expect(refused.resetInMs).toBeGreaterThan(100);
    expect(refused.resetInMs).toBeLessThanOrEqual(400);
    await sleep(refused.resetInMs);
    expect(await limiter.take('a', 2)).toMatchObject({ allowed: true, remaining: 0 });
    expect((await limiter.take('a', 2)).allowed).toBe(false);
  });

  test('a bucket is one sorted set that ends one second after its window', async () => {
    const { limiter } = await node();
    await limiter.take('a', 3);
    const [type, ttl] = await redis.query(async (client) => [
      await client.type('medic:ratelimit:a'),
      await client.pttl('medic:ratelimit:a'),
    ]);
    expect(type).toBe('zset');
    expect(ttl).toBeGreaterThan(60_000);
    expect(ttl).toBeLessThanOrEqual(61_000);
  });

  test('scripts that Redis forgets are sent again', async () => {
    const { limiter, warnings } = await node();
    await redis.query((client) => client.script('FLUSH'));
    expect(await limiter.take('a', 3)).toMatchObject({ allowed: true, remaining: 2 });
    expect(warnings()).toEqual([]);
  });

  test('a key of another type in the place of a bucket makes room for it, and Redis goes on counting', async () => {
    const { limiter, warnings } = await node();
    for (const bucket of ['text', 'hash']) await limiter.take(bucket, 2);
    await redis.query((client) => client.set('medic:ratelimit:text', 'x'));
    await redis.query(async (client) => {
      await client.del('medic:ratelimit:hash');
      await client.hset('medic:ratelimit:hash', 'a', 'b');
    });
    for (const bucket of ['text', 'hash']) {
      expect(await limiter.peek(bucket, 2)).toMatchObject({ allowed: true, remaining: 2 });
      expect(await allowedOf([1, 2, 3].map(() => limiter.take(bucket, 2)))).toBe(2);
    }
    expect([limiter.backend, warnings()]).toEqual(['redis', []]);
  });

  test('the name of a bucket is never taken for anything else', async () => {
    const { limiter } = await node();
    for (const name of ['', '*', 'a\r\nb', '😀', 'x'.repeat(5_000)]) {
      expect(await limiter.take(name, 1)).toMatchObject({ allowed: true });
      expect(await limiter.take(name, 1)).toMatchObject({ allowed: false });
    }
  });

  test('auto takes Redis when it answers, and says so', async () => {
    const { limiter, lines, warnings, metrics } = await node();
    expect(limiter.backend).toBe('redis');
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'INFO', message: 'requests are counted in redis' }),
    );
    expect(warnings()).toEqual([]);
    const { page } = await metrics.expose(undefined, { query: () => Promise.reject(new Error('unused')) });
    expect(page).toContain('medic_rate_limiter_backend{backend="redis"} 1\n');
    expect(page).toContain('medic_rate_limiter_backend{backend="memory"} 0\n');
  });

  test.each([
    ['auto without REDIS_URL', { REDIS_URL: '' }, 1],
    ['memory', { MEDIC_RATE_LIMITER_TYPE: 'Memory' }, 0],
    ['an unknown type', { MEDIC_RATE_LIMITER_TYPE: 'memcached' }, 1],
    ['redis that is not there', { MEDIC_RATE_LIMITER_TYPE: 'redis', REDIS_URL: 'redis://127.0.0.1:1' }, 1],
    ['auto with a Redis that is not there', { REDIS_URL: 'redis://127.0.0.1:1' }, 1],
  ])('%s counts in memory, at once', async (_name, environment, warned) => {
    const { limiter, lines, warnings } = await node(environment);
    expect(limiter.backend).toBe('memory');
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'INFO', message: 'requests are counted in memory' }),
    );
    expect(warnings()).toHaveLength(warned);
    expect(limiter.take('a', 1)).toMatchObject({ allowed: true });
    expect(limiter.take('a', 1)).toMatchObject({ allowed: false });
  });

  test('a Redis that asks for a password which is wrong: memory, and the password is not logged', async () => {
    await redis.query((client) => client.config('SET', 'requirepass', 'right'));
    try {
      const url = redis.url.replace('//', '//:hunter2@');
      const { limiter, lines } = await node({ REDIS_URL: url });
      expect(limiter.backend).toBe('memory');
      expect(JSON.stringify(lines)).not.toContain('hunter2');
      expect(lines).toContainEqual(
        expect.objectContaining({ reason: expect.stringMatching(/WRONGPASS|NOAUTH/) }),
      );
    } finally {
      await redis.stop();
      await redis.start();
    }
  });

  describe('while Redis comes and goes', () => {
    afterEach(async () => {
      await redis.stop();
      await redis.start();
    });

    /** Asks all the time. */
    function load({ limiter }: Node) {
      const state = { stopped: false, asked: 0, slowestMs: 0, errors: [] as unknown[] };
      const clients = Array.from({ length: 16 }, async (_, client) => {
        while (!state.stopped) {
          const from = performance.now();
          await Promise.resolve(limiter.take(`client:${client}`, 1_000_000_000)).then(
            ({ allowed }) => allowed || state.errors.push('refused'),
            (error: unknown) => state.errors.push(error),
          );
          state.asked += 1;
          state.slowestMs = Math.max(state.slowestMs, performance.now() - from);
          await sleep(2);
        }
      });
      const stop = async () => {
        state.stopped = true;
        await Promise.all(clients);
        return state;
      };
      return { state, stop };
    }

    test.each([
      ['killed', (server: RedisServer) => server.stop('SIGKILL'), (server: RedisServer) => server.start()],
      [
        'frozen',
        async (server: RedisServer) => server.freeze(),
        async (server: RedisServer) => server.thaw(),
      ],
      [
        'a replica that refuses to write',
        (server: RedisServer) => server.query((client) => client.replicaof('127.0.0.1', '1')),
        (server: RedisServer) => server.query((client) => client.replicaof('NO', 'ONE')),
      ],
    ])(
      'one that is %s costs nobody an error or a long wait, and counts again within 10 s',
      async (...args) => {
        const [, away, back] = args;
        const its = await node();
        const { state, stop } = load(its);
        await sleep(300);
        await away(redis);
        await eventually('memory', 3_000, () => its.limiter.backend === 'memory');
        const before = state.asked;
        await sleep(2_500);
        expect(state.asked).toBeGreaterThan(before + 1_000);
        expect(await its.limiter.checkRedis()).toBeUndefined();
        await back(redis);
        await eventually('Redis', 10_000, () => its.limiter.backend === 'redis');
        await sleep(300);
        expect(await stop()).toMatchObject({ errors: [] });
        // The time of one command, and what a busy machine adds.
        expect(state.slowestMs).toBeLessThan(2_000);
        expect(its.warnings()).toHaveLength(1);
        expect(its.lines).toContainEqual(
          expect.objectContaining({ level: 'INFO', message: 'Redis answers again and counts requests' }),
        );
        expect(its.limiter.backend).toBe('redis');
      },
    );

    test('one that was away at the start is used when it comes', async () => {
      await redis.stop();
      const { limiter, warnings } = await node({ MEDIC_RATE_LIMITER_TYPE: 'redis' });
      expect(limiter.backend).toBe('memory');
      expect(warnings()).toHaveLength(1);
      await redis.start();
      await eventually('Redis', 10_000, () => limiter.backend === 'redis');
    });

    test('a connection that Redis closes is missed by nobody and opened again', async () => {
      const { limiter, warnings } = await node();
      const ids = () =>
        redis.query(async (client) =>
          [...String(await client.client('LIST')).matchAll(/^id=(\d+) .*name=medic /gm)].map(([, id]) => id),
        );
      const [first = ''] = await ids();
      await redis.query((client) => client.client('KILL', 'ID', first));
      await sleep(50);
      const taken = await Promise.all(Array.from({ length: 30 }, () => limiter.take('a', 30)));
      expect(taken.every(({ allowed }) => allowed)).toBe(true);
      const again = await eventually(
        'a new connection',
        5_000,
        async () => (await ids()).length === 3 && ids(),
      );
      expect(again).not.toContain(first);
      expect([limiter.backend, warnings()]).toEqual(['redis', []]);
    });
  });
});
