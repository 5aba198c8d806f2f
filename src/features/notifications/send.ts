import { MedicError } from '../../platform/errors.ts';
import { type Logger, named } from '../../platform/logging.ts';
import { maskOf } from '../../platform/masking.ts';
import { DecryptionError, type Vault } from '../../platform/vault.ts';
import { openAddress } from './address.ts';
import type { Address, Channel, Message, Outcome } from './channels/channel.ts';

export interface SendContext {
  log: Logger;
  vault: Vault;
  channels: ReadonlyMap<string, Channel>;
  /** Values of secrets by name. Rejects with a MedicError that names those it has not. */
  secretsFor: (names: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

const REFERENCE = /\$\{secrets\.([A-Za-z_][A-Za-z0-9_]*)\}/g;

/**
 * Makes one attempt over a channel. What is told of it shows no credential, whatever the receiver answers.
 * In: an address as it is stored. Out: nothing here; the caller records the outcome.
 * Crash: the message may have been sent.
 */
export async function send(
  context: SendContext,
  to: { channel: string; destination: string },
  message: Message,
): Promise<Outcome> {
  const channel = context.channels.get(to.channel);
  if (channel === undefined) return { kind: 'failed', code: null, error: `channel ${to.channel} is unknown` };
  let address: Address;
  let secrets: string[];
  try {
    const opened = openAddress(context.vault, { ...to, address: message.address });
    ({ address, secrets } = await withSecrets(context, channel, opened));
  } catch (error) {
    const problem = problemOf(error);
    // A key or a secret that is missing may be back at the next attempt.
    return { kind: 'retry', code: null, error: problem };
  }
  const all = [...(channel.secrets ?? []), ...secrets];
  try {
    return discreet(await channel.send({ ...message, address }), all);
  } catch (error) {
    // A mistake of ours, such as an address that its channel cannot read: it ends like any other failure, and is told.
    const reason = maskOf(all)(String(error));
    named(context.log, 'notifications').error({ channel: channel.name, reason }, 'a channel broke down');
    return { kind: 'retry', code: null, error: 'unexpected error' };
  }
}

function problemOf(error: unknown): string {
  if (error instanceof DecryptionError) return `the credential cannot be decrypted: ${error.message}`;
  if (error instanceof MedicError) return error.message;
  throw error;
}

/** Puts the values of secrets in place of `${secrets.NAME}`, in credentials only. */
async function withSecrets(
  { secretsFor }: SendContext,
  { target }: Channel,
  address: Address,
): Promise<{ address: Address; secrets: string[] }> {
  const credentials = Object.entries(address).filter(([name]) => target.credentials.includes(name));
  const texts = credentials.flatMap(([, value]) => textsIn(value));
  const names = new Set(
    texts.flatMap((text) => [...text.matchAll(REFERENCE)].map(([, name]) => name as string)),
  );
  if (names.size === 0) return { address, secrets: texts.flatMap(withParts) };
  const values = await secretsFor([...names]);
  const filled = (text: string) => text.replace(REFERENCE, (_, name: string) => values.get(name) ?? '');
  const replaced = credentials.map(([name, value]) => [name, mapTexts(value, filled)] as const);
  const secrets = [...values.values(), ...replaced.flatMap(([, value]) => textsIn(value)).flatMap(withParts)];
  return { address: { ...address, ...Object.fromEntries(replaced) }, secrets };
}

/** A credential is a text, or texts by name. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

/** Below this length a part of an address is a word like `hooks`, and no credential. */
const MIN_PART = 8;

/** Of an address that is a credential, the parts that make it one: a receiver knows them without its host. */
function withParts(text: string): string[] {
  if (!/^https?:/i.test(text) || !URL.canParse(text)) return [text];
  const { pathname, search } = new URL(text);
  const parts = [pathname, ...pathname.split('/'), ...search.split(/[?&=]/)];
  return [text, ...parts.filter((part) => part.length >= MIN_PART).flatMap((part) => [part, decoded(part)])];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mapTexts(one, change)]));
}

/** A receiver that repeats a credential in its answer does not get it stored and shown. */
function discreet(outcome: Outcome, secrets: readonly string[]): Outcome {
  const mask = maskOf(secrets);
  const { body } = outcome;
  const masked = body === undefined || body === null ? {} : { body: mask(body) };
  return outcome.kind === 'sent'
    ? { ...outcome, ...masked }
    : { ...outcome, ...masked, error: mask(outcome.error) };
}
