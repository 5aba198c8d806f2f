/**
 * One test message to a target, at once and in one attempt (spec 04 section 4).
 * In: a target. Out: what became of the message; nothing is stored. Crash: the message may have been sent.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../platform/clock.ts';
import type { DatabasePool } from '../../platform/db.ts';
import type { TestFacts } from '../notifications/facts.ts';
import { type SendContext, send } from '../notifications/send.ts';
import { serviceFacts } from './store-candidates.ts';
import { findTarget } from './targets.ts';

export interface TestContext extends SendContext {
  db: DatabasePool;
  clock: Clock;
}

export interface TestResult {
  target_id: number;
  target_type: string;
  success: boolean;
  error_message: string | null;
}

/** Throws `not_found`. A disabled target is sent it too. */
export async function testTarget(
  context: TestContext,
  serviceId: number,
  targetId: number,
): Promise<TestResult> {
  const { type, destination, address } = await findTarget(context, serviceId, targetId);
  const facts: TestFacts = {
    event: 'test',
    occurred_at: context.clock.now().toISOString(),
    alert: null,
    service: await serviceFacts(context.db, serviceId),
  };
  const unavailable = context.channels.get(type)?.unavailable;
  const outcome =
    unavailable === undefined
      ? await send(
          context,
          { channel: type, destination },
          { facts, address, deliveryId: randomUUID(), attempt: 1 },
        )
      : ({ kind: 'failed', error: unavailable } as const);
  return {
    target_id: targetId,
    target_type: type,
    success: outcome.kind === 'sent',
    error_message: outcome.kind === 'sent' ? null : outcome.error,
  };
}
