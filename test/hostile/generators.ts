import fc from 'fast-check';

/** Texts that have broken servers, members of Medic's bodies, and JSON that no serialiser writes. */
const nasty = fc.constantFrom(
  '\0',
  '\u0001',
  '\u001b[31m',
  '\ud800',
  '\udfff',
  '\u202e',
  '\ufeff',
  '\uffff',
  '😀',
  '%s%n%x',
  "' or 1=1--",
  '"; drop table medic.services; --',
  '$1',
  '{{7*7}}',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: that is what is sent
  '${jndi:ldap://x}',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'NaN',
  '../../etc/passwd',
  '<img onerror=alert(1)>',
  '=cmd()',
  'a',
  'A',
  'survivor',
  'UP',
  'p1',
  'true',
  '1',
  '0',
  '-1',
  '2147483648',
  '9223372036854775808',
  '2040-03-02T00:00:00Z',
  '5m',
  'https://example.com/',
);
export const text = fc.oneof(
  nasty,
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.array(nasty, { maxLength: 4 }).map((all) => all.join('')),
);

const MEMBERS = [
  'heartbeat_name',
  'service_name',
  'status',
  'run_id',
  'message',
  'environment',
  'active',
  'muted',
  'down',
  'alert_interval',
  'alert_interval_seconds',
  'threshold',
  'grace_period_seconds',
  'max_duration_ms',
  'team',
  'team_id',
  'schedule_id',
  'priority',
  'runbook',
  'notification_mode',
  'duration',
  'until',
  'reason',
  'comment',
  'name',
  'slack_channel_id',
  'timezone',
  'hours',
  'start_time',
  'end_time',
  'recurrence',
  'service_ids',
];
const member = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...MEMBERS) },
  { weight: 1, arbitrary: text },
);

/** JSON texts, also of values that JSON.stringify cannot write. */
const number = fc.constantFrom(
  '0',
  '-0',
  '1',
  '5',
  '60',
  '1e400',
  '-1e400',
  '1e-400',
  '1.5',
  '9007199254740993',
  '2147483648',
  '1E2',
  '123456789012345678901234567890',
);
const value: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 6, arbitrary: text.map((one) => JSON.stringify(one)) },
    { weight: 3, arbitrary: number },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        'true',
        'false',
        'null',
        '{}',
        '[]',
        '"\\u0000"',
        '"\\ud800"',
        '"\\uDC00\\uD800"',
      ),
    },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }).map((all) => `[${all.join(',')}]`) },
    {
      weight: 1,
      arbitrary: fc
        .array(fc.tuple(text, tie('value')), { maxLength: 3 })
        .map((all) => `{${all.map(([key, one]) => `${JSON.stringify(key)}:${one}`).join(',')}}`),
    },
  ),
})).value;
// Members may occur twice.
const object = fc
  .array(fc.tuple(member, value), { maxLength: 6 })
  .map((all) => `{${all.map(([key, one]) => `${JSON.stringify(key)}:${one}`).join(',')}}`);
const valid = fc.constant('{"heartbeat_name":"a","service_name":"A","alert_interval":1,');
export const body = fc.oneof(
  { weight: 5, arbitrary: object },
  {
    weight: 3,
    arbitrary: fc
      .tuple(valid, object)
      .map(([start, rest]) => (rest === '{}' ? `${start.slice(0, -1)}}` : start + rest.slice(1))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constant('{"heartbeat_name":"survivor","status":"UP",'), object)
      .map(([start, rest]) => (rest === '{}' ? `${start.slice(0, -1)}}` : start + rest.slice(1))),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '{"heartbeat_name":"survivor","status":"UP","message":"\\u0000"}',
      '{"heartbeat_name":"survivor","status":"degraded","run_id":"\\n"}',
      '{"heartbeat_name":"a","service_name":"A","alert_interval":1}',
      '{"heartbeat_name":"Ä","service_name":"A","alert_interval":1,"environment":"\u202e"}',
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(value, value)
      .map(([name, message]) => `{"status":"UP","heartbeat_name":${name},"message":${message}}`),
  },
  { weight: 1, arbitrary: value },
  { weight: 1, arbitrary: text },
);

const encoded = (part: string) => encodeURIComponent(part.toWellFormed());
export const segment = fc.oneof(
  fc.constantFrom(
    '1',
    '2',
    '0',
    '-1',
    '1.5',
    'a',
    'survivor',
    '%00',
    '%zz',
    '%',
    '%2f',
    '%2F..%2f',
    '..',
    '.',
    '%ff',
    '%c0%ae',
    '%ED%A0%80',
    '%F0%9F%98%80',
    '~',
    ';x=1',
    '*',
    ':service_id',
    '99999999999999999999',
    'x'.repeat(9000),
  ),
  text.map(encoded),
);
export const pair = (names: string[]) =>
  fc
    .tuple(
      fc.oneof(
        fc.constantFrom('limit', 'a[]', 'a', '__proto__', '%zz', '%00', '', ...names),
        text.map(encoded),
      ),
      fc.constantFrom('=', '', '[]=', '[0]=', '=='),
      fc.oneof(
        text.map(encoded),
        fc.constantFrom('1', 'true', '%00', '%zz', '%ff', '+', '&', '#', '-9223372036854775809'),
      ),
    )
    .map((parts) => parts.join(''));
