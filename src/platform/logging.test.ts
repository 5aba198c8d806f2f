import { expect, test } from 'vitest';
import { createLogger, type LogFormat, named } from './logging.ts';

function lineOf(format: LogFormat, write: (log: ReturnType<typeof named>) => void): string {
  const lines: string[] = [];
  const log = createLogger({
    level: 'DEBUG',
    format,
    environment: 'prod',
    version: '1.2.3',
    destination: { write: (line: string) => void lines.push(line) },
  });
  write(named(log, 'alerts'));
  expect(lines).toHaveLength(1);
  return lines[0] ?? '';
}

test('json: one object with the documented members', () => {
  const line = JSON.parse(lineOf('json', (log) => log.warn({ alert_id: 7 }, 'slow')));
  expect(line).toEqual({
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    level: 'WARNING',
    logger: 'medic.alerts',
    message: 'slow',
    service: 'medic',
    environment: 'prod',
    alert_id: 7,
  });
});

test('text: time, logger, level and message on one line, whatever the message holds', () => {
  const line = lineOf('text', (log) => log.info('first\nsecond \u001b[31m "quoted"'));
  expect(line).toMatch(/^\S+Z - medic\.alerts - INFO - first\\nsecond \\u001b\[31m "quoted"\n$/);
});

test('otel: a log record of OpenTelemetry', () => {
  const line = JSON.parse(lineOf('otel', (log) => log.error({ alert_id: 7 }, 'gone')));
  expect(line).toMatchObject({
    SeverityText: 'ERROR',
    SeverityNumber: 17,
    Body: 'gone',
    Resource: { 'service.name': 'medic', 'service.version': '1.2.3', 'deployment.environment': 'prod' },
    InstrumentationScope: { name: 'medic.alerts' },
    Attributes: { alert_id: 7 },
  });
});

test('errors are told with type, message and the stack of their causes', () => {
  const error = new Error('outer', { cause: new TypeError('inner') });
  const { exception } = JSON.parse(lineOf('json', (log) => log.error({ exception: error }, 'failed')));
  expect(exception).toMatchObject({ type: 'Error', message: 'outer' });
  expect(exception.stack).toContain('caused by: TypeError: inner');
});

test('a value that PostgreSQL quotes is not told, wherever it stands', () => {
  const refused = Object.assign(new Error('invalid input syntax for type uuid: "s3cret"'), { code: '22P02' });
  for (const error of [refused, new Error('outer', { cause: refused })]) {
    const line = lineOf('json', (log) => log.error({ exception: error }, 'failed'));
    expect(line).not.toContain('s3cret');
    expect(line).toContain('22P02');
  }
});

test('credentials are removed wherever they are handed in', () => {
  const line = lineOf('json', (log) =>
    log.info(
      { authorization: 'Bearer s3cret', cookie: 's3cret', routing_key: 's3cret', ping_key: 's3cret' },
      'x',
    ),
  );
  expect(line).not.toContain('s3cret');
});
