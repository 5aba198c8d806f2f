import { STATUSES } from '../../heartbeats/status.ts';
import {
  CONDITION_TIMEOUT_SECONDS,
  MAX_INTEGER,
  RETRY_ATTEMPTS,
  RETRY_DELAY_SECONDS,
  SCRIPT_TIMEOUT_SECONDS,
  SUCCESS_CODES,
  WAIT_SECONDS,
  WEBHOOK_TIMEOUT_SECONDS,
} from '../limits.ts';
import {
  CHECKS,
  type ConditionStep,
  METHODS,
  ON_FAILURE,
  type Retries,
  type ScriptStep,
  type Step,
  type StepType,
  type WaitStep,
  type WebhookStep,
} from '../playbook.ts';
import { Fields } from './fields.ts';
import type { Findings } from './findings.ts';
import { type Reference, secretsOf } from './references.ts';
import { type Mapping, plainMembers } from './value.ts';

/** Where a step is read from, and where to what it says goes. */
export interface StepSource {
  name: string;
  fields: Fields;
  findings: Findings;
  references: Reference[];
}

/** How each type of step is read (spec 06 section 1, table of types). */
export const READERS: { [Type in StepType]: (source: StepSource) => Step } = {
  webhook,
  script,
  wait,
  condition,
};

const SUCCESS = [200, 201, 202];

function webhook(source: StepSource): WebhookStep {
  const { name, fields, references } = source;
  const url = fields.take('url');
  if (url === undefined) fields.fail('url', 'is missing');
  else if (url.kind !== 'scalar' || typeof url.value !== 'string') fields.fail('url', 'must be a text');
  else if (!/^(https?:\/\/|\$\{)/.test(url.value)) {
    fields.fail('url', 'must begin with http://, https:// or ${');
  }
  const body = fields.map('body');
  const headers = fields.map('headers');
  for (const [key, value] of [
    ['url', url],
    ['headers', headers],
    ['body', body],
  ] as const) {
    if (value !== undefined) references.push(...secretsOf(value, fields.pathOf(key)));
  }
  return {
    name,
    type: 'webhook',
    url: url?.kind === 'scalar' ? String(url.value) : '',
    method: fields.word('method', METHODS, 'POST'),
    headers: headers === undefined ? {} : headerTexts(headers, source),
    body: body === undefined ? null : plainMembers(body),
    success_codes: successCodes(fields, source.findings),
    timeout_seconds: fields.duration('timeout', WEBHOOK_TIMEOUT_SECONDS) ?? 30,
    retries: retries(source),
  };
}

/** Values become text as they are written, so that `1.10` stays what it is. */
function headerTexts(headers: Mapping, { fields, findings }: StepSource): Record<string, string> {
  const texts = new Fields(findings, headers, fields.pathOf('headers'));
  const entries = [...headers.members].map(([key, { value }]): [string, string] => {
    if (value.kind !== 'scalar') texts.fail(key, 'must be a text');
    return [key, value.kind !== 'scalar' || value.value === null ? '' : value.source];
  });
  return Object.fromEntries(entries);
}

function successCodes(fields: Fields, findings: Findings): number[] {
  const codes = fields.list('success_codes');
  if (codes === undefined) return SUCCESS;
  if (codes.items.length === 0) fields.fail('success_codes', 'is empty');
  return codes.items.map((item, index) => {
    const code = item.kind === 'scalar' ? item.value : undefined;
    const { min, max } = SUCCESS_CODES;
    if (typeof code === 'number' && Number.isInteger(code) && code >= min && code <= max) return code;
    const path = `${fields.pathOf('success_codes')}[${index}]`;
    findings.error(item.at, path, `must be a whole number from ${min} to ${max}`);
    return min;
  });
}

function script(source: StepSource): ScriptStep {
  const { name, fields, references } = source;
  const isNamedTwice = fields.take('script') !== undefined && fields.take('script_name') !== undefined;
  if (isNamedTwice) fields.fail('script_name', 'says the same as script: only one of them can be given');
  const key = fields.take('script_name') !== undefined && !isNamedTwice ? 'script_name' : 'script';
  const script_name = fields.text(key, 100);
  const at = fields.take(key)?.at ?? fields.at;
  if (script_name !== '') {
    references.push({ what: 'script', name: script_name, at, path: fields.pathOf(key) });
  }
  const parameters = fields.map('parameters');
  if (parameters !== undefined) references.push(...secretsOf(parameters, fields.pathOf('parameters')));
  return {
    name,
    type: 'script',
    script_name,
    parameters: parameters === undefined ? {} : plainMembers(parameters),
    timeout_seconds: fields.duration('timeout', SCRIPT_TIMEOUT_SECONDS) ?? null,
    retry_on_interrupt: fields.flag('retry_on_interrupt', false),
    retries: retries(source),
  };
}

function wait({ name, fields }: StepSource): WaitStep {
  const duration_seconds = fields.duration('duration', WAIT_SECONDS);
  if (duration_seconds === undefined) fields.fail('duration', 'is missing');
  if (fields.take('retries') !== undefined) fields.fail('retries', 'is not possible for a wait');
  return { name, type: 'wait', duration_seconds: duration_seconds ?? 1 };
}

function condition(source: StepSource): ConditionStep {
  const { name, fields } = source;
  return {
    name,
    type: 'condition',
    condition_type: fields.word('check', CHECKS),
    timeout_seconds: fields.duration('timeout', CONDITION_TIMEOUT_SECONDS) ?? 300,
    on_failure: fields.word('on_failure', ON_FAILURE, 'fail'),
    parameters: conditionParameters(source),
    retries: retries(source),
  };
}

function conditionParameters({ fields, findings }: StepSource): ConditionStep['parameters'] {
  const mapping = fields.map('parameters');
  if (mapping === undefined) return {};
  const inner = new Fields(findings, mapping, fields.pathOf('parameters'));
  const parameters: ConditionStep['parameters'] = {};
  const positive = { min: 1, max: MAX_INTEGER };
  if (inner.take('min_count') !== undefined) parameters.min_count = inner.integer('min_count', 1, positive);
  if (inner.take('status') !== undefined) parameters.status = inner.word('status', STATUSES);
  if (inner.take('service_id') !== undefined) {
    parameters.service_id = inner.integer('service_id', 1, positive);
  }
  for (const key of inner.others.members.keys()) {
    inner.fail(key, 'is not one of min_count, status, service_id');
  }
  return parameters;
}

function retries({ fields, findings }: StepSource): Retries {
  const mapping = fields.map('retries');
  if (mapping === undefined) return { attempts: 0, delay_seconds: 10 };
  const inner = new Fields(findings, mapping, fields.pathOf('retries'));
  const read = {
    attempts: inner.integer('attempts', 0, RETRY_ATTEMPTS),
    delay_seconds: inner.duration('delay', RETRY_DELAY_SECONDS) ?? 10,
  };
  inner.warnOfOthers();
  return read;
}
