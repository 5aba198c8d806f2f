/**
 * One `test` event to a webhook, at once and in one attempt (spec 04 section 9).
 * In: a webhook. Out: what became of it; nothing is stored. Crash: the event may have been sent.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../platform/clock.ts';
import type { Address } from './channels/channel.ts';
import { type SendContext, send } from './send.ts';

export interface TestOutcome {
  success: boolean;
  response_code: number | null;
  error_message: string | null;
}

/** @param webhook with its address as it is stored */
export async function testWebhook(
  context: SendContext & { clock: Clock },
  { destination, address }: { destination: string; address: Address },
): Promise<TestOutcome> {
  const occurred_at = context.clock.now().toISOString();
  const facts = { event: 'test', occurred_at, alert: null, service: null } as const;
  const message = { facts, address, deliveryId: randomUUID(), attempt: 1 };
  const outcome = await send(context, { channel: 'webhook', destination }, message);
  const success = outcome.kind === 'sent';
  return { success, response_code: outcome.code, error_message: success ? null : outcome.error };
}
