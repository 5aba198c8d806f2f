import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { PoolConfig } from 'pg';
import {
  boolean,
  ConfigurationError,
  httpUrl,
  integer,
  oneOf,
  readEnvironment,
  redisUrl,
  smtpUrl,
  text,
  timeZone,
} from './environment.ts';
import { hostList, networkList } from './outbound/settings.ts';
import { trustedProxies } from './trusted-proxies.ts';
import { decodeKey } from './vault.ts';

const MAX_PORT = 65_535;
const MAX_REQUESTS = 1_000_000_000;
const MAX_WINDOW_SECONDS = 3_600;

/** Every environment variable that Medic reads (spec README, section "Environment variables"). */
export const VARIABLES = {
  DATABASE_URL: text(),
  DB_HOST: text(),
  DB_PORT: integer(5432, 1, MAX_PORT),
  DB_NAME: text(),
  PG_USER: text(),
  PG_PASS: text(),
  MEDIC_DB_POOL_SIZE: integer(10, 4, 1000),
  MEDIC_DATA_DIR: text('./data'),
  MEDIC_AUTO_MIGRATE: boolean(true),
  MEDIC_ROLE: oneOf('all', ['all', 'api', 'worker']),
  MEDIC_HOST: text('0.0.0.0'),
  PORT: integer(8080, 0, MAX_PORT),
  METRICS_PORT: integer(9091, 0, MAX_PORT),
  MEDIC_BASE_URL: httpUrl('http://localhost:8080'),
  MEDIC_ENVIRONMENT: text('development'),
  MEDIC_VERSION: text(packageVersion()),
  MEDIC_TIMEZONE: timeZone('UTC'),
  MEDIC_SHUTDOWN_TIMEOUT_SECONDS: integer(25, 0, 3600),
  MEDIC_AUTH_MODE: oneOf('required', ['required', 'open-ingest', 'off']),
  MEDIC_ADMIN_API_KEY: text(),
  MEDIC_AUTO_CREATE_ADMIN_KEY: boolean(),
  MEDIC_TRUST_PROXY: trustedProxies(),
  // An unknown word means memory, with a WARNING.
  MEDIC_RATE_LIMITER_TYPE: text('auto'),
  REDIS_URL: redisUrl(),
  REDIS_POOL_SIZE: integer(10, 1, 100),
  MEDIC_RATE_LIMIT_REQUESTS: integer(undefined, 1, MAX_REQUESTS),
  MEDIC_RATE_LIMIT_WINDOW: integer(undefined, 1, MAX_WINDOW_SECONDS),
  RATE_LIMIT_WINDOW_SECONDS: integer(60, 1, MAX_WINDOW_SECONDS),
  RATE_LIMIT_HEALTH_REQUESTS: integer(1000, 1, MAX_REQUESTS),
  RATE_LIMIT_METRICS_REQUESTS: integer(100, 1, MAX_REQUESTS),
  RATE_LIMIT_DOCS_REQUESTS: integer(60, 1, MAX_REQUESTS),
  RATE_LIMIT_HEARTBEAT_REQUESTS: integer(100, 1, MAX_REQUESTS),
  RATE_LIMIT_PING_REQUESTS: integer(60, 1, MAX_REQUESTS),
  RATE_LIMIT_MANAGEMENT_REQUESTS: integer(20, 1, MAX_REQUESTS),
  RATE_LIMIT_PLAYBOOK_EXECUTE_REQUESTS: integer(10, 1, MAX_REQUESTS),
  RATE_LIMIT_WEBHOOK_TRIGGER_REQUESTS: integer(10, 1, MAX_REQUESTS),
  RATE_LIMIT_DASHBOARD_REQUESTS: integer(600, 1, MAX_REQUESTS),
  RATE_LIMIT_AUTH_FAILURE_REQUESTS: integer(20, 1, MAX_REQUESTS),
  WORKER_INTERVAL_SECONDS: integer(15, 1, 300),
  ALERT_AUTO_UNMUTE_HOURS: integer(24, 1, 8760),
  MEDIC_REMINDER_MIN_SECONDS: integer(60, 0, 86_400),
  MEDIC_ALLOWED_WEBHOOK_HOSTS: hostList(),
  MEDIC_ALLOWED_WEBHOOK_CIDRS: networkList(),
  SLACK_API_TOKEN: text(),
  SLACK_CHANNEL_ID: text(),
  SLACK_API_BASE_URL: httpUrl('https://slack.com/api'),
  PAGERDUTY_ROUTING_KEY: text(),
  PAGERDUTY_EVENTS_URL: httpUrl('https://events.pagerduty.com/v2/enqueue'),
  MEDIC_SMTP_URL: smtpUrl(),
  MEDIC_SMTP_FROM: text(),
  MEDIC_SECRETS_KEY: secretsKey,
  MEDIC_SECRETS_KEY_PREVIOUS: secretsKey,
  HEARTBEAT_RETENTION_DAYS: integer(30, 8, 3650),
  MEDIC_AUDIT_RETENTION_DAYS: integer(90, 1, 3650),
  MEDIC_HISTORY_RETENTION_DAYS: integer(90, 1, 3650),
  MEDIC_DELIVERY_RETENTION_DAYS: integer(30, 1, 3650),
  MEDIC_LOG_LEVEL: oneOf('INFO', ['DEBUG', 'INFO', 'WARNING', 'ERROR']),
  MEDIC_LOG_FORMAT: oneOf('json', ['json', 'text', 'otel']),
  POD_NAME: text(),
  POD_NAMESPACE: text(),
};

export type Role = 'all' | 'api' | 'worker';
export type Settings = ReturnType<typeof readEnvironment<typeof VARIABLES>>;

export interface Config extends Settings {
  /** How to reach the external database; undefined: the embedded one in `MEDIC_DATA_DIR`. */
  readonly database: PoolConfig | undefined;
}

/** Reads and checks the environment. Throws ConfigurationError, whose message names the variable. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const settings = readEnvironment(VARIABLES, environment);
  const database = databaseOf(settings);
  const { MEDIC_SECRETS_KEY: key, MEDIC_SECRETS_KEY_PREVIOUS: previous } = settings;
  // The embedded database has a generated key beside it.
  if (previous !== undefined && key === undefined && database !== undefined) {
    throw new ConfigurationError('MEDIC_SECRETS_KEY', 'is needed with MEDIC_SECRETS_KEY_PREVIOUS');
  }
  const { MEDIC_RATE_LIMITER_TYPE: limiter, REDIS_URL } = settings;
  if (limiter.toLowerCase() === 'redis' && REDIS_URL === undefined) {
    throw new ConfigurationError('REDIS_URL', 'is needed with MEDIC_RATE_LIMITER_TYPE=redis');
  }
  return { ...settings, ...inherited(settings, environment), database };
}

/** The text of a key; the message never repeats it (spec 05 section 9). */
function secretsKey(value: string | undefined): string | undefined {
  if (value !== undefined && decodeKey(value) === undefined) {
    throw new Error('must be the base64 of exactly 32 bytes, as "openssl rand -base64 32" prints it');
  }
  return value;
}

/** The two general variables of the rate limiter are defaults of more exact ones. */
function inherited(settings: Settings, environment: NodeJS.ProcessEnv): Partial<Settings> {
  const { MEDIC_RATE_LIMIT_REQUESTS: requests, MEDIC_RATE_LIMIT_WINDOW: window } = settings;
  const isSet = (name: keyof Settings) => (environment[name]?.trim() ?? '') !== '';
  return {
    ...(requests === undefined || isSet('RATE_LIMIT_HEARTBEAT_REQUESTS')
      ? {}
      : { RATE_LIMIT_HEARTBEAT_REQUESTS: requests }),
    ...(window === undefined || isSet('RATE_LIMIT_WINDOW_SECONDS')
      ? {}
      : { RATE_LIMIT_WINDOW_SECONDS: window }),
  };
}

function databaseOf(settings: Settings): PoolConfig | undefined {
  const { DATABASE_URL: url, DB_HOST: host } = settings;
  if (url !== undefined) {
    if (!/^postgres(ql)?:\/\//.test(url)) {
      throw new ConfigurationError('DATABASE_URL', 'must begin with postgres:// or postgresql://');
    }
    return { connectionString: url };
  }
  if (host === undefined) return undefined;
  if (settings.DB_NAME === undefined) throw new ConfigurationError('DB_NAME', 'is needed with DB_HOST');
  return {
    host,
    port: settings.DB_PORT,
    database: settings.DB_NAME,
    ...(settings.PG_USER === undefined ? {} : { user: settings.PG_USER }),
    ...(settings.PG_PASS === undefined ? {} : { password: settings.PG_PASS }),
  };
}

function packageVersion(): string {
  const file = path.join(import.meta.dirname, '../../package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
