/** What a playbook may be and hold (spec 06 section 1); the parser and the JSON Schema obey the same numbers. */
export const MAX_TEXT_BYTES = 262_144;
export const MAX_ALIAS_EXPANSIONS = 100;
/** As deep as a body of a request may be, since a webhook step sends what it holds as JSON. */
export const MAX_NESTING = 32;
export const MAX_NAME = 100;
export const MAX_STEPS = 100;
/** As many as one playbook can have, from its text and through the interface together. */
export const MAX_TRIGGERS = 100;
/** As long as the name of a service. */
export const MAX_PATTERN = 255;
/** The largest integer that is stored. */
export const MAX_INTEGER = 2_147_483_647;
/** More are not told; the last one told says so. */
export const MAX_PROBLEMS = 1000;

interface Range {
  min: number;
  max: number;
}

/** Minutes until a playbook is approved by itself. */
export const APPROVAL_MINUTES: Range = { min: 1, max: 10_080 };
export const RETRY_ATTEMPTS: Range = { min: 1, max: 10 };
export const RETRY_DELAY_SECONDS: Range = { min: 0, max: 3600 };
export const WEBHOOK_TIMEOUT_SECONDS: Range = { min: 1, max: 300 };
export const SCRIPT_TIMEOUT_SECONDS: Range = { min: 1, max: 3600 };
export const WAIT_SECONDS: Range = { min: 1, max: 604_800 };
export const CONDITION_TIMEOUT_SECONDS: Range = { min: 1, max: 86_400 };
export const SUCCESS_CODES: Range = { min: 100, max: 599 };
