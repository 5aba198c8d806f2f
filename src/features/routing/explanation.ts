import { type Static, Type } from 'typebox';
import { Nullable } from '../../platform/schema.ts';
import { OUTCOMES, REASONS, type Reason, type StoredDecision } from './decision.ts';

/** A destination that was considered, and what became of it, as answers show it. */
export const DecisionV2 = Type.Object({
  channel: Type.String(),
  destination: Type.String(),
  target_id: Nullable(Type.Integer()),
  webhook_id: Nullable(Type.Integer()),
  outcome: Type.String({ enum: [...OUTCOMES] }),
  reason: Type.String({ enum: Object.keys(REASONS) as Reason[] }),
  explanation: Type.String(),
});

/** With its reason in words. */
export function explained({ note, ...decision }: StoredDecision): Static<typeof DecisionV2> {
  return { ...decision, explanation: note ?? REASONS[decision.reason] };
}
