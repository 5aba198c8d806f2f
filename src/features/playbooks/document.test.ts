import { expect, test } from 'vitest';
import { parsePlaybook } from './document.ts';

const EXAMPLE = `name: restart-worker
approval: timeout:5m
trigger: {service_pattern: "worker-*", consecutive_failures: 3}
steps:
  - {name: drain, type: webhook, url: "https://lb.example.com/drain/\${SERVICE_NAME}",
     headers: {Authorization: "Bearer \${secrets.LB_TOKEN}"}, retries: {attempts: 2, delay: 5s}}
  - {name: restart, type: script, script: restart-unit, parameters: {unit: "\${SERVICE_NAME}"}, timeout: 60s}
  - {name: settle, type: wait, duration: 30s}
  - {name: back, type: condition, check: heartbeat_received, timeout: 5m, on_failure: escalate}
`;

test('the example of the specification is read as it is meant', () => {
  const parsed = parsePlaybook(EXAMPLE);
  expect(parsed).toMatchObject({
    errors: [],
    warnings: [],
    scripts: ['restart-unit'],
    secrets: ['LB_TOKEN'],
  });
  expect(parsed.playbook).toEqual({
    name: 'restart-worker',
    description: '',
    approval: 'timeout:5m',
    version: 1,
    trigger: { service_pattern: 'worker-*', consecutive_failures: 3, enabled: true },
    metadata: {},
    steps: [
      {
        name: 'drain',
        type: 'webhook',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the playbook
        url: 'https://lb.example.com/drain/${SERVICE_NAME}',
        method: 'POST',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a secret of the playbook
        headers: { Authorization: 'Bearer ${secrets.LB_TOKEN}' },
        body: null,
        success_codes: [200, 201, 202],
        timeout_seconds: 30,
        retries: { attempts: 2, delay_seconds: 5 },
      },
      {
        name: 'restart',
        type: 'script',
        script_name: 'restart-unit',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the playbook
        parameters: { unit: '${SERVICE_NAME}' },
        timeout_seconds: 60,
        retry_on_interrupt: false,
        retries: { attempts: 0, delay_seconds: 10 },
      },
      { name: 'settle', type: 'wait', duration_seconds: 30 },
      {
        name: 'back',
        type: 'condition',
        condition_type: 'heartbeat_received',
        timeout_seconds: 300,
        on_failure: 'escalate',
        parameters: {},
        retries: { attempts: 0, delay_seconds: 10 },
      },
    ],
  });
});

/** A playbook with one step that has these members. */
const step = (members: string) => `name: p\nsteps:\n  - {${members}}`;
const webhook = (members: string) => step(`name: s, type: webhook, url: "https://x", ${members}`);
const top = (lines: string) => `name: p\n${lines}\nsteps: [{name: s, type: wait, duration: 1}]`;
const condition = (members: string) => step(`name: s, type: condition, ${members}`);
const script = (members: string) => step(`name: s, type: script, ${members}`);

test.each<[string, string[]]>([
  // The rows of the table in section 1.
  ['name: p\nsteps: {}', ['steps']],
  ['name: p\nsteps: abc', ['steps']],
  ['name: p\nsteps: [1]', ['steps[0]']],
  [step('name: s'), ['steps[0].type']],
  [step('name: s, type: zz'), ['steps[0].type']],
  [step('type: wait, duration: 1'), ['steps[0].name']],
  [`${step('name: s, type: wait, duration: 1')}\n  - {name: s, type: wait, duration: 1}`, ['steps[1].name']],
  [step('name: s, type: wait, duration: 0'), ['steps[0].duration']],
  [step('name: s, type: wait, duration: 0s'), ['steps[0].duration']],
  [step('name: s, type: wait, duration: 1d'), ['steps[0].duration']],
  [step('name: s, type: webhook, url: ftp://x'), ['steps[0].url']],
  [step('name: s, type: webhook, url: 5'), ['steps[0].url']],
  [webhook('method: HEAD'), ['steps[0].method']],
  [webhook('success_codes: 200'), ['steps[0].success_codes']],
  [webhook('success_codes: [ok]'), ['steps[0].success_codes[0]']],
  [webhook('body: text'), ['steps[0].body']],
  [webhook('timeout: 0'), ['steps[0].timeout']],
  [top('approval: timeout:5'), ['approval']],
  [top('approval: true'), ['approval']],
  [top('version: v1'), ['version']],
  [condition('timeout: 5'), ['steps[0].check']],
  [condition('check: cpu'), ['steps[0].check']],
  [condition('check: heartbeat_received, on_failure: retry'), ['steps[0].on_failure']],
  [script('timeout: 5'), ['steps[0].script']],
  [top('trigger: {}'), ['trigger.service_pattern']],
  [top('trigger: {service_pattern: a, consecutive_failures: 0}'), ['trigger.consecutive_failures']],
  // The rest of what the tables of keys forbid.
  ['', ['']],
  ['  \n# nothing', ['']],
  ['- 1', ['']],
  ['text', ['']],
  ['steps: [{name: s, type: wait, duration: 1}]', ['name']],
  ['name: ""\nsteps: [{name: s, type: wait, duration: 1}]', ['name']],
  ['name: 7\nsteps: [{name: s, type: wait, duration: 1}]', ['name']],
  [`name: ${'x'.repeat(101)}\nsteps: [{name: s, type: wait, duration: 1}]`, ['name']],
  ['name: p', ['steps']],
  ['name: p\nsteps: []', ['steps']],
  [top('description: [a]'), ['description']],
  [top('approval: timeout:0m'), ['approval']],
  [top('approval: timeout:10081m'), ['approval']],
  [top('approval: maybe'), ['approval']],
  [top('version: 1.5'), ['version']],
  [top('trigger: text'), ['trigger']],
  [top('trigger: [{}]'), ['trigger[0].service_pattern']],
  [top('trigger: [{service_pattern: a}, 1]'), ['trigger[1]']],
  [top('trigger: {service_pattern: ""}'), ['trigger.service_pattern']],
  [top('trigger: {service_pattern: a, enabled: maybe}'), ['trigger.enabled']],
  [step('name: s, type: webhook'), ['steps[0].url']],
  [webhook('headers: [a]'), ['steps[0].headers']],
  [webhook('headers: {a: [b]}'), ['steps[0].headers.a']],
  [webhook('success_codes: []'), ['steps[0].success_codes']],
  [webhook('success_codes: [99, 200, 600]'), ['steps[0].success_codes[0]', 'steps[0].success_codes[2]']],
  [webhook('timeout: 301'), ['steps[0].timeout']],
  [webhook('retries: 3'), ['steps[0].retries']],
  [webhook('retries: {attempts: 11}'), ['steps[0].retries.attempts']],
  [webhook('retries: {attempts: 0}'), ['steps[0].retries.attempts']],
  [webhook('retries: {attempts: 1, delay: 61m}'), ['steps[0].retries.delay']],
  [step('name: s, type: wait, duration: 1, retries: {attempts: 1}'), ['steps[0].retries']],
  [step('name: s, type: wait'), ['steps[0].duration']],
  [step('name: s, type: wait, duration: 169h'), ['steps[0].duration']],
  [script('script: 5'), ['steps[0].script']],
  [script('script: a, script_name: b'), ['steps[0].script_name']],
  [script('script: a, parameters: []'), ['steps[0].parameters']],
  [script('script: a, timeout: 61m'), ['steps[0].timeout']],
  [script('script: a, retry_on_interrupt: 1'), ['steps[0].retry_on_interrupt']],
  [condition('check: heartbeat_received, parameters: 5'), ['steps[0].parameters']],
  [condition('check: heartbeat_received, parameters: {min_count: 0}'), ['steps[0].parameters.min_count']],
  [condition('check: heartbeat_received, parameters: {status: SICK}'), ['steps[0].parameters.status']],
  [condition('check: heartbeat_received, parameters: {service_id: "1"}'), ['steps[0].parameters.service_id']],
  [condition('check: heartbeat_received, parameters: {cpu: 1}'), ['steps[0].parameters.cpu']],
  [condition('check: heartbeat_received, timeout: 25h'), ['steps[0].timeout']],
])('%j is refused at %j', (text, paths) => {
  const { playbook, errors } = parsePlaybook(text);
  expect(playbook).toBeNull();
  if (paths.length > 0) expect(errors.map(({ path }) => path)).toEqual(paths);
  expect(errors.length).toBeGreaterThan(0);
});

test('all problems are told at once, each at its place, those of steps with their number', () => {
  const text = `version: v1
approval: timeout:5
steps:
  - name: one
    type: webhook
    url: ftp://x
    success_codes:
      - 200
      - ok
  - type: wait
    duration: 1d
    color: red
  - 5
`;
  const { errors, warnings } = parsePlaybook(text);
  const told = errors.map(({ line, column, path, message }) => `${line}:${column} ${path} ${message}`);
  expect(told).toEqual([
    '1:1 name is missing',
    '1:10 version must be a whole number',
    '2:11 approval must be none, required or timeout:<n>m with 1 to 10080 minutes',
    '6:10 steps[0].url 1: must begin with http://, https:// or ${',
    '9:9 steps[0].success_codes[1] 1: must be a whole number from 100 to 599',
    '10:5 steps[1].name 2: is missing',
    '11:15 steps[1].duration 2: must be a duration such as 90, 90s, 5m or 2h',
    '13:5 steps[2] 3: must be a map',
  ]);
  expect(warnings).toEqual([
    { line: 12, column: 5, path: 'steps[1].color', message: '2: is not a known key and has no effect' },
  ]);
});

test('words are understood in any letter case and told in the documented one', () => {
  const { playbook, errors } = parsePlaybook(`
name: p
approval: TIMEOUT:05M
steps:
  - {name: a, type: WebHook, url: "http://x", method: get, timeout: " 2M "}
  - {name: b, type: CONDITION, check: Heartbeat_Received, on_failure: Escalate, parameters: {status: up}}
`);
  expect(errors).toEqual([]);
  expect(playbook).toMatchObject({
    approval: 'timeout:5m',
    steps: [
      { type: 'webhook', method: 'GET', timeout_seconds: 120 },
      { type: 'condition', condition_type: 'heartbeat_received', on_failure: 'escalate' },
    ],
  });
  expect(playbook?.steps[1]).toMatchObject({ parameters: { status: 'UP' } });
});

test('other keys are kept, header values are texts as they are written', () => {
  const { playbook } = parsePlaybook(`
name: p
owner: {team: sre, since: 2020}
__proto__: {polluted: true}
steps:
  - {name: a, type: webhook, url: "http://x", headers: {X-Version: 1.10, X-On: true, X-None: , 7: x},
     body: {__proto__: {polluted: true}, n: .inf}}
`);
  expect(Object.entries(playbook?.metadata ?? {})).toEqual([
    ['owner', { team: 'sre', since: 2020 }],
    ['__proto__', { polluted: true }],
  ]);
  expect(playbook?.steps[0]).toMatchObject({
    headers: { 'X-Version': '1.10', 'X-On': 'true', 'X-None': '', 7: 'x' },
  });
  expect(JSON.stringify(playbook)).toContain('{"__proto__":{"polluted":true},"n":".inf"}');
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test('several triggers stay several, and none is none', () => {
  const trigger = (text: string) => parsePlaybook(top(text)).playbook?.trigger;
  expect(trigger('trigger: [{service_pattern: a}, {service_pattern: b, enabled: false}]')).toEqual([
    { service_pattern: 'a', consecutive_failures: 1, enabled: true },
    { service_pattern: 'b', consecutive_failures: 1, enabled: false },
  ]);
  expect(trigger('trigger: []')).toEqual([]);
  expect(trigger('')).toBeNull();
});

test('scripts and secrets that do not exist are told where they are named', () => {
  const parsed = parsePlaybook(EXAMPLE);
  expect(parsed.unknown({ scripts: new Set(['restart-unit']), secrets: new Set(['LB_TOKEN']) })).toEqual([]);
  expect(parsed.unknown({ scripts: new Set(), secrets: new Set() })).toEqual([
    {
      line: 6,
      column: 31,
      path: 'steps[0].headers.Authorization',
      message: '1: names a secret that does not exist: LB_TOKEN',
    },
    {
      line: 7,
      column: 43,
      path: 'steps[1].script',
      message: '2: names a script that does not exist: restart-unit',
    },
  ]);
});

test('secrets are looked for where they are replaced, and nowhere else', () => {
  const { secrets } = parsePlaybook(`
name: p
description: \${secrets.NO1}
steps:
  - {name: "\${secrets.NO2}", type: webhook, url: "\${secrets.A}", headers: {"\${secrets.NO3}": "\${secrets.B}\${secrets.C}"},
     body: {x: [{y: "\${secrets.D}"}], "\${secrets.NO4}": "\${SECRETS.NO5} \${secrets.1} \${secrets.A}"}}
  - {name: b, type: script, script: s, parameters: {x: "\${secrets.E}"}}
`);
  expect(secrets).toEqual(['A', 'B', 'C', 'D', 'E']);
});
