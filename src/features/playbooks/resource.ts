import { type Static, Type } from 'typebox';
import { Instant, Nullable } from '../../platform/schema.ts';
import { type PlaybookRow, TRIGGER_TYPES } from './store.ts';

/** Something about a text, and where: lines and columns count from 1. */
export const TextProblem = Type.Object({
  line: Type.Integer(),
  column: Type.Integer(),
  path: Type.String(),
  message: Type.String(),
});

export const Playbook = Type.Object({
  playbook_id: Type.Integer(),
  name: Type.String(),
  description: Type.String(),
  yaml_content: Type.String(),
  version: Type.Integer(),
  active: Type.Boolean(),
  trigger_type: Type.String({ enum: [...TRIGGER_TYPES] }),
  last_run: Nullable(Instant),
  status: Nullable(Type.String()),
  created_at: Instant,
  updated_at: Instant,
});

export const SavedPlaybook = Type.Object({ ...Playbook.properties, warnings: Type.Array(TextProblem) });

/** The parsed form; what steps and metadata hold depends on the text. */
const Parsed = Type.Unsafe<object>({
  type: 'object',
  description: '{name, description, approval, version, steps, trigger, metadata}; durations are seconds',
  additionalProperties: true,
});

export const Judgement = Type.Object({
  valid: Type.Boolean(),
  errors: Type.Array(TextProblem),
  warnings: Type.Array(TextProblem),
  playbook: Nullable(Parsed),
});

export const Version = Type.Object({
  playbook_id: Type.Integer(),
  version: Type.Integer(),
  name: Type.String(),
  yaml_content: Type.String(),
  created_by: Type.String(),
  created_at: Instant,
});

/** Nothing runs playbooks yet, so that none has run. */
export function shownPlaybook(row: PlaybookRow): Static<typeof Playbook> {
  return {
    ...row,
    last_run: null,
    status: null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
