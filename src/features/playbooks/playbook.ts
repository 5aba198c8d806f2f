/** A playbook as it was understood, in the form that answers show (spec 06 section 1). Durations are seconds. */
export interface Playbook {
  name: string;
  description: string;
  /** `none`, `required` or `timeout:<minutes>m`. */
  approval: string;
  /** What its author calls it; the version of what is stored is counted by Medic. */
  version: number;
  steps: Step[];
  /** As it is written: one, several, or none. */
  trigger: TriggerDefinition | TriggerDefinition[] | null;
  /** Every other key of the text. */
  metadata: Record<string, unknown>;
}

export const STEP_TYPES = ['webhook', 'script', 'wait', 'condition'] as const;
export type StepType = (typeof STEP_TYPES)[number];
export type Step = WebhookStep | ScriptStep | WaitStep | ConditionStep;

/** Further attempts after a failed one. */
export interface Retries {
  attempts: number;
  delay_seconds: number;
}

export const METHODS = ['POST', 'GET', 'PUT', 'PATCH', 'DELETE'] as const;

export interface WebhookStep {
  name: string;
  type: 'webhook';
  url: string;
  method: (typeof METHODS)[number];
  headers: Record<string, string>;
  /** Null: the request has none. */
  body: Record<string, unknown> | null;
  success_codes: number[];
  timeout_seconds: number;
  retries: Retries;
}

export interface ScriptStep {
  name: string;
  type: 'script';
  script_name: string;
  parameters: Record<string, unknown>;
  /** Null: that of the script. */
  timeout_seconds: number | null;
  retry_on_interrupt: boolean;
  retries: Retries;
}

export interface WaitStep {
  name: string;
  type: 'wait';
  duration_seconds: number;
}

export const CHECKS = ['heartbeat_received'] as const;
export const ON_FAILURE = ['fail', 'continue', 'escalate'] as const;

export interface ConditionStep {
  name: string;
  type: 'condition';
  condition_type: (typeof CHECKS)[number];
  timeout_seconds: number;
  on_failure: (typeof ON_FAILURE)[number];
  parameters: { min_count?: number; status?: string; service_id?: number };
  retries: Retries;
}

/** When an alert starts a playbook (spec 06 section 2). */
export interface TriggerDefinition {
  /** A glob over the whole name of a service. */
  service_pattern: string;
  consecutive_failures: number;
  enabled: boolean;
}

export function triggersOf({ trigger }: Pick<Playbook, 'trigger'>): TriggerDefinition[] {
  return trigger === null ? [] : [trigger].flat();
}
