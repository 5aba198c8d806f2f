/** What an entry of each `action_type` tells (spec 06 section 9). Values of secrets and credentials never belong here. */
export interface Details {
  execution_started: {
    playbook_id: number;
    playbook_name: string;
    playbook_version: number;
    trigger: string;
    service_id?: number;
    service_name?: string;
    /** Masked. */
    context?: Record<string, unknown>;
  };
  step_completed: Step;
  step_failed: Step & { error_message: string };
  approval_requested: {
    playbook_name: string;
    service_name?: string;
    expires_at?: string;
    channel_id?: string;
  };
  approved: Decision;
  rejected: Decision;
  expired: { playbook_name: string; expires_at: string };
  cancelled: { playbook_name: string; reason?: string };
  execution_completed: {
    playbook_name: string;
    steps_completed: number;
    total_duration_ms?: number;
    service_name?: string;
  };
  execution_failed: {
    playbook_name: string;
    error_message: string;
    failed_step_name?: string;
    failed_step_index?: number;
    steps_completed?: number;
    total_duration_ms?: number;
    service_name?: string;
  };
  execution_interrupted: { step_name: string; step_index: number; rerun: boolean };
  key_created: Key;
  key_revoked: Key;
  config_changed: {
    entity: Entity;
    /** The id; of a secret its name. */
    entity_id: number | string;
    action: 'create' | 'update' | 'delete';
    /** Names of the members that changed, never their values. */
    changed_fields: readonly string[];
    snapshot_id?: number;
  };
}

interface Step {
  step_name: string;
  step_index: number;
  step_type?: string;
  /** Masked; kept to 4096 bytes. */
  output?: string;
  duration_ms?: number;
}

interface Decision {
  playbook_name?: string;
  service_name?: string;
  reason?: string;
}

interface Key {
  name: string;
  key_prefix: string;
  scopes: readonly string[];
  rotated?: true;
}

/** What has a configuration that can change. */
export type Entity =
  | 'service'
  | 'team'
  | 'schedule'
  | 'maintenance_window'
  | 'target'
  | 'webhook'
  | 'playbook'
  | 'trigger'
  | 'script'
  | 'secret'
  | 'api_key';

export type ActionType = keyof Details;

/** Every `action_type`; the compiler refuses one too many or too few. */
export const ACTION_TYPES = Object.keys({
  execution_started: true,
  step_completed: true,
  step_failed: true,
  approval_requested: true,
  approved: true,
  rejected: true,
  expired: true,
  cancelled: true,
  execution_completed: true,
  execution_failed: true,
  execution_interrupted: true,
  key_created: true,
  key_revoked: true,
  config_changed: true,
} satisfies Record<ActionType, true>) as ActionType[];

interface About {
  /** Key name, Slack user id or `system:<what>`; null: an automatic step. */
  actor: string | null;
  /** When it happened: the instant of the transaction that writes the entry. */
  at: Date;
  executionId?: number | null;
  playbookId?: number | null;
  serviceId?: number | null;
}

/** One entry of the audit log: who did what, when, and to what. */
export type Entry = {
  [Action in ActionType]: About & { action: Action; details: Details[Action] };
}[ActionType];
