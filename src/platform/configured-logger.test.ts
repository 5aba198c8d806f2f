import { expect, test } from 'vitest';
import { readConfig } from './config.ts';
import { configuredLogger } from './configured-logger.ts';
import { type Logger, named } from './logging.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const ENVIRONMENT = {
  DATABASE_URL: 'postgres://me:p%40ss-word@/medic?host=/run',
  PG_PASS: 'wörd "quoted"/1',
  SLACK_API_TOKEN: 'xoxb-12345',
  PAGERDUTY_ROUTING_KEY: '0123456789',
  MEDIC_SECRETS_KEY: KEY,
  MEDIC_LOG_LEVEL: 'DEBUG',
};
const SECRETS = ['p%40ss-word', 'p@ss-word', 'wörd "quoted"/1', 'xoxb-12345', '0123456789', KEY];

/** What becomes of a line in a format. */
function lineOf(format: string, write: (log: Logger) => void, environment = {}): string {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const settings = readConfig({ ...ENVIRONMENT, MEDIC_LOG_FORMAT: format, ...environment });
  write(named(configuredLogger(settings, { destination }), 'test'));
  expect(lines).toHaveLength(1);
  return lines[0] ?? '';
}

const WAYS: Record<string, (log: Logger, secret: string) => void> = {
  'in the message': (log, secret) => log.info(`got ${secret}!`),
  'as a member': (log, secret) => log.debug({ deep: [{ value: secret }] }, 'x'),
  'as the name of a member': (log, secret) => log.info({ deep: { [secret]: 1 } }, 'x'),
  'in an error': (log, secret) =>
    log.error({ exception: new Error(secret, { cause: new Error(secret) }) }, 'x'),
  'in JSON in a member': (log, secret) => log.warn({ body: JSON.stringify({ secret }) }, 'x'),
  'in a URL': (log, secret) => log.warn({ url: `http://h/?p=${encodeURIComponent(secret)}` }, 'x'),
  'in a header': (log, secret) => log.warn({ basic: Buffer.from(`me:${secret}`).toString('base64') }, 'x'),
};

test.each(Object.keys(WAYS))('no credential of the settings is logged %s', (way) => {
  for (const format of ['json', 'text', 'otel']) {
    for (const secret of SECRETS) {
      const line = lineOf(format, (log) => WAYS[way]?.(log, secret));
      if (format !== 'text' || way === 'in the message') expect(line).toContain('***');
      if (format !== 'text')
        expect(JSON.stringify(JSON.parse(line))).not.toContain(JSON.stringify(secret).slice(1, -1));
      expect(line).not.toContain(secret);
      expect(line).not.toContain(encodeURIComponent(secret));
      expect(line).not.toContain(Buffer.from(`me:${secret}`).toString('base64').slice(8, -4));
    }
  }
});

test('a credential that is a number is not logged as one, and the line stays JSON', () => {
  const line = JSON.parse(lineOf('json', (log) => log.info({ n: 10123456789, m: 5 }, 'x')));
  expect(line).toMatchObject({ n: '1***', m: 5, message: 'x' });
});

test('a password that is an everyday word does not hide what the program says of itself', () => {
  const write = (log: Logger) => log.info('medic and others');
  const line = JSON.parse(lineOf('json', write, { PG_PASS: 'medic' }));
  expect(line).toMatchObject({ service: 'medic', logger: 'medic.test', message: '*** and others' });
});

test('a line that holds no credential is as it was', () => {
  const line = lineOf('json', (log) => log.info({ a: '***', b: [1, null, true, 'ü'] }, 'x\ny'));
  expect(JSON.parse(line)).toMatchObject({ a: '***', b: [1, null, true, 'ü'], message: 'x\ny' });
});
