import { Type } from 'typebox';
import { AnyCase, MAX_ID, Nullable, Text } from '../../platform/schema.ts';
import { MAX_NAME, NAME_PATTERN } from '../heartbeats/name.ts';

export const PRIORITIES = ['p1', 'p2', 'p3', 'p4', 'p5'] as const;

/** The rules of every writable field of a service (spec 01 section 1); the database repeats them. */
export const FIELDS = {
  heartbeat_name: Type.String({ minLength: 1, maxLength: MAX_NAME, pattern: NAME_PATTERN }),
  service_name: Text(255),
  alert_interval: Type.Integer({ minimum: 1, maximum: 10_080, description: 'Minutes' }),
  alert_interval_seconds: Type.Integer({ minimum: 10, maximum: 604_800 }),
  expected_cron: Nullable(Type.String({ minLength: 1, maxLength: 255, pattern: '^[^\\u0000]*$' })),
  expected_timezone: Type.String({ minLength: 1, maxLength: 64, pattern: '^[^\\u0000]*$' }),
  threshold: Type.Integer({ minimum: 1, maximum: 100 }),
  grace_period_seconds: Type.Integer({ minimum: 0, maximum: 604_800 }),
  max_duration_ms: Nullable(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  team: Text(100, 0),
  team_id: Nullable(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  schedule_id: Nullable(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  priority: AnyCase(PRIORITIES),
  runbook: Nullable(Text(2048, 0)),
  notification_mode: AnyCase(['notify_all', 'notify_until_success']),
};

const { heartbeat_name, service_name, alert_interval, alert_interval_seconds, ...OPTIONAL } = FIELDS;

const optional = <T extends Record<string, Parameters<typeof Type.Optional>[0]>>(fields: T) =>
  Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, Type.Optional(field)])) as {
    [Name in keyof T]: ReturnType<typeof Type.Optional<T[Name]>>;
  };

/** v1 flags are the integers 0 and 1. */
export const Flag = Type.Integer({ minimum: 0, maximum: 1 });

const strict = { additionalProperties: false };
const { notification_mode: _mode, expected_cron: _cron, expected_timezone: _zone, ...V1_OPTIONAL } = OPTIONAL;

export const RegisterV1 = Type.Object(
  {
    heartbeat_name,
    service_name,
    alert_interval,
    environment: Type.Optional(Type.String({ maxLength: MAX_NAME })),
    ...optional(V1_OPTIONAL),
  },
  strict,
);

export const UpdateV1 = Type.Object(
  {
    ...optional({ service_name, alert_interval, ...V1_OPTIONAL }),
    muted: Type.Optional(Flag),
    active: Type.Optional(Flag),
    down: Type.Optional(Flag),
  },
  strict,
);

export const CreateV2 = Type.Object(
  {
    heartbeat_name,
    service_name,
    environment: Type.Optional(Type.String({ maxLength: MAX_NAME })),
    active: Type.Optional(Type.Boolean()),
    ...optional({ alert_interval, alert_interval_seconds, ...OPTIONAL }),
  },
  strict,
);

export const PatchV2 = Type.Object(
  {
    active: Type.Optional(Type.Boolean()),
    ...optional({ service_name, alert_interval, alert_interval_seconds, ...OPTIONAL }),
  },
  strict,
);

export const MuteV2 = Type.Object(
  {
    duration: Type.Optional(Type.Union([Type.Integer(), Type.String({ maxLength: 20 })])),
    until: Type.Optional(Type.String({ maxLength: 64 })),
    reason: Type.Optional(Text(500, 0)),
  },
  strict,
);

export const BULK_ACTIONS = [
  'mute',
  'unmute',
  'activate',
  'deactivate',
  'set_priority',
  'set_team',
  'delete',
] as const;
export const BulkV2 = Type.Object(
  {
    service_ids: Type.Array(Type.Integer({ minimum: 0, maximum: MAX_ID }), { minItems: 1, maxItems: 250 }),
    action: AnyCase(BULK_ACTIONS),
    value: Type.Optional(Type.Union([Text(100, 0), Type.Integer(), MuteV2])),
  },
  strict,
);
