import { STATUSES } from '../heartbeats/status.ts';
import {
  CONDITION_TIMEOUT_SECONDS,
  MAX_INTEGER,
  MAX_NAME,
  MAX_PATTERN,
  MAX_STEPS,
  MAX_TRIGGERS,
  RETRY_ATTEMPTS,
  RETRY_DELAY_SECONDS,
  SCRIPT_TIMEOUT_SECONDS,
  SUCCESS_CODES,
  WAIT_SECONDS,
  WEBHOOK_TIMEOUT_SECONDS,
} from './limits.ts';
import { CHECKS, METHODS, ON_FAILURE, type StepType } from './playbook.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Patterns of JSON Schema know no letter case. */
const anyCase = (text: string) => text.replaceAll(/[a-z]/gi, (l) => `[${l.toUpperCase()}${l.toLowerCase()}]`);

function word(words: readonly string[], description: string): Schema {
  return { type: 'string', pattern: `^(${words.map(anyCase).join('|')})$`, description, examples: words };
}

/** Whether a text such as `5m` is within the range is left to the server. */
function duration({ min, max }: { min: number; max: number }, description: string): Schema {
  return {
    description: `${description}: seconds, or a text such as 90s, 5m or 2h`,
    anyOf: [
      { type: 'integer', minimum: min, maximum: max },
      { type: 'string', pattern: '^\\s*[0-9]{1,9}[sSmMhH]?\\s*$' },
    ],
  };
}

function text(description: string, maxLength?: number): Schema {
  return { type: 'string', pattern: '\\S', ...(maxLength === undefined ? {} : { maxLength }), description };
}

const positive = { type: 'integer', minimum: 1, maximum: MAX_INTEGER };
const map = (description: string) => ({ type: 'object', description });

const retries = {
  type: 'object',
  description: 'Further tries after a failure',
  properties: {
    attempts: {
      type: 'integer',
      minimum: RETRY_ATTEMPTS.min,
      maximum: RETRY_ATTEMPTS.max,
      description: 'How many; none by default',
    },
    delay: duration(RETRY_DELAY_SECONDS, 'Time before each, 10 s by default'),
  },
};

/** What each type of step has besides its name and type. */
const MEMBERS: Record<StepType, { required: string[]; properties: Record<string, unknown> } & Schema> = {
  webhook: {
    required: ['url'],
    properties: {
      url: { type: 'string', pattern: '^(https?://|\\$\\{)', description: 'Where to' },
      method: word(METHODS, 'POST by default'),
      headers: {
        ...map('Header lines; values become text'),
        additionalProperties: { type: ['string', 'number', 'boolean', 'null'] },
      },
      body: map('Sent as JSON; none by default'),
      success_codes: {
        type: 'array',
        minItems: 1,
        items: { type: 'integer', minimum: SUCCESS_CODES.min, maximum: SUCCESS_CODES.max },
        description: '[200, 201, 202] by default',
      },
      timeout: duration(WEBHOOK_TIMEOUT_SECONDS, '30 s by default'),
      retries,
    },
  },
  script: {
    required: [],
    oneOf: [{ required: ['script'] }, { required: ['script_name'] }],
    properties: {
      script: text('Name of a registered script', MAX_NAME),
      script_name: text('The same as script', MAX_NAME),
      parameters: map('What it finds in its environment'),
      timeout: duration(SCRIPT_TIMEOUT_SECONDS, 'That of the script by default'),
      retry_on_interrupt: { type: 'boolean', description: 'Run again after a crash; false by default' },
      retries,
    },
  },
  wait: {
    required: ['duration'],
    properties: { duration: duration(WAIT_SECONDS, 'How long'), retries: false },
  },
  condition: {
    required: ['check'],
    properties: {
      check: word(CHECKS, 'What is waited for'),
      timeout: duration(CONDITION_TIMEOUT_SECONDS, '5 minutes by default'),
      on_failure: word(ON_FAILURE, 'fail by default'),
      parameters: {
        ...map('What counts'),
        properties: { min_count: positive, status: word(STATUSES, 'Of a heartbeat'), service_id: positive },
        additionalProperties: false,
      },
      retries,
    },
  },
};

const trigger = {
  type: 'object',
  required: ['service_pattern'],
  properties: {
    service_pattern: text('A glob over the whole service_name: *, ?, [seq], [!seq]', MAX_PATTERN),
    consecutive_failures: { ...positive, description: 'From which cycle of the alert on; 1 by default' },
    enabled: { type: 'boolean', description: 'true by default' },
  },
};

/** The format of playbooks for editors (spec 06 section 1). What it refuses, the parser refuses too. */
export const PLAYBOOK_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Medic playbook',
  type: 'object',
  required: ['name', 'steps'],
  properties: {
    name: text('Unique among the playbooks', MAX_NAME),
    description: { type: 'string' },
    version: { type: 'integer', description: 'Informative; Medic counts versions itself' },
    approval: {
      type: 'string',
      pattern: `^(${anyCase('none')}|${anyCase('required')}|${anyCase('timeout')}:[0-9]{1,6}[mM])$`,
      description: 'Who must agree before it runs: none (default), required, timeout:<n>m',
      examples: ['none', 'required', 'timeout:5m'],
    },
    trigger: {
      description: 'Which alerts start it',
      anyOf: [trigger, { type: 'array', maxItems: MAX_TRIGGERS, items: trigger }],
    },
    steps: {
      type: 'array',
      minItems: 1,
      maxItems: MAX_STEPS,
      items: {
        type: 'object',
        required: ['name', 'type'],
        properties: {
          name: text('Unique in the playbook', MAX_NAME),
          type: word(Object.keys(MEMBERS), 'What it does'),
        },
        allOf: Object.entries(MEMBERS).map(([type, members]) => ({
          if: { properties: { type: { type: 'string', pattern: `^${anyCase(type)}$` } }, required: ['type'] },
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
          then: members,
        })),
      },
    },
  },
} as const satisfies Schema;
