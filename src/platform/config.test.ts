import { describe, expect, test } from 'vitest';
import { readConfig } from './config.ts';

describe('the environment', () => {
  test('needs nothing: the embedded database and the documented defaults', () => {
    expect(readConfig({})).toMatchObject({
      database: undefined,
      PORT: 8080,
      MEDIC_ROLE: 'all',
      MEDIC_HOST: '0.0.0.0',
    });
  });

  test('an empty variable counts as unset', () => {
    expect(readConfig({ PORT: '', DATABASE_URL: ' ' })).toMatchObject({ PORT: 8080, database: undefined });
  });

  test.each([
    ['PORT', 'http'],
    ['PORT', '70000'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['MEDIC_ROLE', 'leader'],
    ['MEDIC_AUTO_MIGRATE', 'yes'],
    ['WORKER_INTERVAL_SECONDS', '0'],
    ['WORKER_INTERVAL_SECONDS', '301'],
    ['HEARTBEAT_RETENTION_DAYS', '7'],
    ['MEDIC_TIMEZONE', 'Mars/Olympus'],
    ['MEDIC_BASE_URL', 'medic.example.com'],
    ['SLACK_API_BASE_URL', 'ftp://slack'],
    ['MEDIC_LOG_LEVEL', 'loud'],
    ['DATABASE_URL', 'mysql://x'],
    ['MEDIC_ALLOWED_WEBHOOK_HOSTS', 'https://hook.example.com/'],
    ['MEDIC_ALLOWED_WEBHOOK_CIDRS', '10/8'],
    ['REDIS_URL', 'http://x'],
    ['REDIS_URL', 'redis://[x'],
    ['REDIS_POOL_SIZE', '0'],
    ['RATE_LIMIT_PING_REQUESTS', '0'],
    ['RATE_LIMIT_WINDOW_SECONDS', '0'],
    ['MEDIC_RATE_LIMIT_REQUESTS', 'many'],
    ['MEDIC_TRUST_PROXY', 'true'],
  ])('an impossible %s=%s stops the start and names the variable', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^${name}: `));
  });

  test('the general variables of the rate limiter are defaults of the exact ones', () => {
    const general = { MEDIC_RATE_LIMIT_REQUESTS: '7', MEDIC_RATE_LIMIT_WINDOW: '9' };
    expect(readConfig(general)).toMatchObject({
      RATE_LIMIT_HEARTBEAT_REQUESTS: 7,
      RATE_LIMIT_WINDOW_SECONDS: 9,
      RATE_LIMIT_PING_REQUESTS: 60,
    });
    const exact = { RATE_LIMIT_HEARTBEAT_REQUESTS: '100', RATE_LIMIT_WINDOW_SECONDS: ' ' };
    expect(readConfig({ ...general, ...exact })).toMatchObject({
      RATE_LIMIT_HEARTBEAT_REQUESTS: 100,
      RATE_LIMIT_WINDOW_SECONDS: 9,
    });
  });

  test('MEDIC_RATE_LIMITER_TYPE=redis needs REDIS_URL, whose text is never repeated', () => {
    expect(() => readConfig({ MEDIC_RATE_LIMITER_TYPE: 'Redis' })).toThrow(/^REDIS_URL: /);
    expect(() => readConfig({ REDIS_URL: 'redist://:hunter2@x' })).toThrow(/^(?!.*hunter2)/);
    expect(readConfig({ MEDIC_RATE_LIMITER_TYPE: 'redis', REDIS_URL: 'rediss://:pw@x/0' })).toMatchObject({
      REDIS_URL: 'rediss://:pw@x/0',
    });
  });

  test('words and flags are accepted in any letter case and kept in the documented spelling', () => {
    const config = readConfig({ MEDIC_LOG_LEVEL: 'warning', MEDIC_ROLE: 'API', MEDIC_AUTO_MIGRATE: 'FALSE' });
    expect(config).toMatchObject({
      MEDIC_LOG_LEVEL: 'WARNING',
      MEDIC_ROLE: 'api',
      MEDIC_AUTO_MIGRATE: false,
    });
  });

  test('DATABASE_URL wins over DB_HOST, which needs DB_NAME', () => {
    const parts = { DB_HOST: 'db', DB_NAME: 'medic', PG_USER: 'me', PG_PASS: 'pw', DB_PORT: '5433' };
    expect(readConfig(parts).database).toEqual({
      host: 'db',
      port: 5433,
      database: 'medic',
      user: 'me',
      password: 'pw',
    });
    expect(readConfig({ ...parts, DATABASE_URL: 'postgres://u@h/d' }).database).toEqual({
      connectionString: 'postgres://u@h/d',
    });
    expect(() => readConfig({ DB_HOST: 'db' })).toThrow(/^DB_NAME: /);
  });

  test.each(['MEDIC_SECRETS_KEY', 'MEDIC_SECRETS_KEY_PREVIOUS'])('%s is the base64 of 32 bytes', (name) => {
    const key = Buffer.alloc(32, 7).toString('base64');
    expect(readConfig({ [name]: ` ${key}\n` })).toMatchObject({ [name]: key });
    for (const bad of ['hunter2', key.slice(1), `${key}A`, Buffer.alloc(33, 7).toString('base64')]) {
      expect(() => readConfig({ [name]: bad })).toThrow(
        new RegExp(`^${name}: must be the base64 of exactly 32 bytes`),
      );
      expect(() => readConfig({ [name]: bad })).not.toThrow(bad);
    }
  });

  test('an external database needs the present key beside the previous one', () => {
    const previous = { MEDIC_SECRETS_KEY_PREVIOUS: Buffer.alloc(32, 7).toString('base64') };
    expect(() => readConfig({ ...previous, DATABASE_URL: 'postgres://u@h/d' })).toThrow(
      /^MEDIC_SECRETS_KEY: is needed/,
    );
    expect(readConfig(previous).database).toBeUndefined();
  });

  test('the message of a bad DATABASE_URL does not repeat it', () => {
    expect(() => readConfig({ DATABASE_URL: 'mysql://root:hunter2@db/x' })).toThrow(/^(?!.*hunter2)/);
  });
});
