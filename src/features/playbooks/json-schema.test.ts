import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parsePlaybook } from './document.ts';
import { PLAYBOOK_SCHEMA } from './json-schema.ts';

const check = new Ajv2020({ allErrors: true, strictTypes: false, strictRequired: false }).compile(
  PLAYBOOK_SCHEMA,
);
const accepts = (text: string) => check(parse(text, { schema: 'core', logLevel: 'silent' }));

const step = (members: string) => `name: p\nsteps: [{name: s, ${members}}]`;
const top = (line: string) => `name: p\nsteps: [{name: s, type: wait, duration: 1}]\n${line}`;

test.each([
  top(''),
  top('approval: Timeout:5M'),
  top('description: ""'),
  top('version: 7'),
  top('owner: sre'),
  top('trigger: {service_pattern: "a*", consecutive_failures: 3, enabled: false}'),
  top('trigger: []'),
  top('trigger: [{service_pattern: a}, {service_pattern: b, note: x}]'),
  step('type: WAIT, duration: " 90S "'),
  step('type: wait, duration: 604800'),
  step(
    'type: webhook, url: "http://x", method: delete, headers: {a: 1, b: null}, body: {a: [1]}, timeout: 5m',
  ),
  step(
    `type: webhook, url: "\${U}", success_codes: [200, 599], retries: {attempts: 10, delay: 0}, colour: red`,
  ),
  step('type: script, script: a, parameters: {a: 1}, timeout: 1h, retry_on_interrupt: true, retries: {}'),
  step('type: script, script_name: a'),
  step('type: condition, check: HEARTBEAT_received, on_failure: Continue, timeout: 24h'),
  step('type: condition, check: heartbeat_received, parameters: {min_count: 2, status: up, service_id: 3}'),
])('parser and schema accept %j', (text) => {
  expect(parsePlaybook(text).errors).toEqual([]);
  accepts(text);
  expect(check.errors ?? []).toEqual([]);
});

test.each([
  '5',
  '[]',
  'steps: [{name: s, type: wait, duration: 1}]',
  'name: p',
  'name: p\nsteps: []',
  'name: p\nsteps: {}',
  'name: p\nsteps: [1]',
  'name: " "\nsteps: [{name: s, type: wait, duration: 1}]',
  `name: ${'x'.repeat(101)}\nsteps: [{name: s, type: wait, duration: 1}]`,
  `name: p\nsteps: [${Array.from({ length: 101 }, (_, index) => `{name: s${index}, type: wait, duration: 1}`)}]`,
  top('description: 5'),
  top('approval: true'),
  top('approval: timeout:5'),
  top('version: v1'),
  top('version: 1.5'),
  top('trigger: x'),
  top('trigger: {}'),
  top('trigger: [x]'),
  top('trigger: {service_pattern: a, consecutive_failures: 0}'),
  top('trigger: {service_pattern: a, enabled: 1}'),
  'name: p\nsteps: [{type: wait, duration: 1}]',
  step('type: zz'),
  step('duration: 1'),
  step('type: wait'),
  step('type: wait, duration: 0'),
  step('type: wait, duration: 1d'),
  step('type: wait, duration: 604801'),
  step('type: wait, duration: 1, retries: {}'),
  step('type: webhook'),
  step('type: webhook, url: 5'),
  step('type: webhook, url: ftp://x'),
  step('type: webhook, url: "http://x", method: HEAD'),
  step('type: webhook, url: "http://x", headers: []'),
  step('type: webhook, url: "http://x", headers: {a: []}'),
  step('type: webhook, url: "http://x", body: text'),
  step('type: webhook, url: "http://x", success_codes: 200'),
  step('type: webhook, url: "http://x", success_codes: []'),
  step('type: webhook, url: "http://x", success_codes: [ok]'),
  step('type: webhook, url: "http://x", timeout: 301'),
  step('type: webhook, url: "http://x", retries: {attempts: 11}'),
  step('type: webhook, url: "http://x", retries: {attempts: 1, delay: 3601}'),
  step('type: script'),
  step('type: script, script: 5'),
  step('type: script, script: a, script_name: a'),
  step('type: script, script: a, parameters: []'),
  step('type: script, script: a, timeout: 3601'),
  step('type: script, script: a, retry_on_interrupt: "yes"'),
  step('type: condition'),
  step('type: condition, check: cpu'),
  step('type: condition, check: heartbeat_received, on_failure: retry'),
  step('type: condition, check: heartbeat_received, parameters: {min_count: 0}'),
  step('type: condition, check: heartbeat_received, parameters: {status: SICK}'),
  step('type: condition, check: heartbeat_received, parameters: {cpu: 1}'),
])('parser and schema refuse %j', (text) => {
  expect(parsePlaybook(text).errors).not.toEqual([]);
  expect(accepts(text)).toBe(false);
});

/** These are for the server: the schema cannot tell, or only by being unreadable. */
test.each([
  step('type: wait, duration: 0s'),
  step('type: wait, duration: 169h'),
  top('approval: timeout:10081m'),
  'name: p\nsteps: [{name: s, type: wait, duration: 1}, {name: s, type: wait, duration: 1}]',
])('only the parser refuses %j', (text) => {
  expect(parsePlaybook(text).errors).not.toEqual([]);
  expect(accepts(text)).toBe(true);
});

test('what the parser accepts, the schema accepts', () => {
  const maybe = (values: unknown[]) => fc.option(fc.constantFrom(...values), { nil: undefined, freq: 3 });
  const durations = [0, 1, 30, '5m', '1H', 3601, '1d', true];
  const steps = fc.record({
    name: fc.constantFrom('a', 'b', 'c d'),
    type: fc.constantFrom('webhook', 'Script', 'wait', 'CONDITION', 'zz'),
    url: maybe(['http://x', 'x', 5]),
    method: maybe(['get', 'HEAD', null]),
    headers: maybe([{}, { a: 1 }, { a: [] }, []]),
    body: maybe([{}, 'x']),
    success_codes: maybe([[200], [], ['ok']]),
    timeout: maybe(durations),
    duration: fc.constantFrom(...durations),
    script: maybe(['a', 5]),
    script_name: maybe(['a']),
    parameters: maybe([{}, { min_count: 1 }, { x: 1 }, []]),
    check: fc.constantFrom('heartbeat_received', 'cpu'),
    on_failure: maybe(['FAIL', 'x']),
    retries: maybe([{}, { attempts: 1 }, { attempts: 11 }, { delay: '1h' }, 3]),
  });
  const playbooks = fc.record({
    name: fc.constantFrom('p', 'q', ''),
    approval: maybe(['none', 'timeout:5m', true]),
    trigger: maybe([{ service_pattern: 'a' }, [], {}, 'x']),
    steps: fc.array(steps, { maxLength: 2 }),
  });
  let accepted = 0;
  fc.assert(
    fc.property(playbooks, (playbook) => {
      const text = JSON.stringify(playbook);
      if (parsePlaybook(text).errors.length > 0) return;
      accepted += 1;
      expect(accepts(text), text).toBe(true);
    }),
    { numRuns: 5000, seed: 7 },
  );
  expect(accepted).toBeGreaterThan(50);
});
