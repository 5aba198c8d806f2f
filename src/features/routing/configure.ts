/**
 * The configuration of a target or webhook, before it is stored.
 * In: what the caller gave, with masks in place of credentials that stay. Out: values only. Crash: nothing is left.
 */
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { invalid, MedicError } from '../../platform/errors.ts';
import type { GuardedClient } from '../../platform/outbound/guarded.ts';
import { DecryptionError, type Vault } from '../../platform/vault.ts';
import { openAddress, sealAddress } from '../notifications/address.ts';
import type { Address, Channel } from '../notifications/channels/channel.ts';
import { MASK, masked, unmask } from './mask.ts';

export interface ConfigureContext {
  vault: Vault;
  channels: ReadonlyMap<string, Channel>;
  outbound: Pick<GuardedClient, 'checkUrl'>;
}

/** As it is stored: what answers show, and what notifications copy. */
export interface Configured {
  config: Address;
  destination: string;
  address: Address;
}

/** What of a configuration is in the request, and where. */
export interface Given {
  channel: string;
  /** The path of the configuration in the body, such as `config.`. */
  path: string;
  members: Address;
}

/**
 * Checks a configuration and separates its credentials. Resolves names of hosts: not to be called in a transaction.
 * Throws `bad_request` that names the member, and `not_configured` when a credential is to be kept that cannot be read.
 * @param before what is stored now, of the same channel
 */
export async function configure(
  context: ConfigureContext,
  { channel: name, path, members }: Given,
  before?: Configured,
): Promise<Configured> {
  const channel = context.channels.get(name);
  if (channel === undefined) throw invalid('type', 'is not a known channel');
  const { target } = channel;
  const kept = before === undefined ? undefined : () => opened(context.vault, name, before);
  const meant = unmask(present(members), target.credentials, kept);
  if ('unknown' in meant) throw invalid(path + meant.unknown, `"${MASK}" stands for no stored value`);
  const { full } = meant;
  const problem = problemIn(target.schema, full) ?? target.problemOf?.(full);
  if (problem !== undefined) {
    throw invalid(problem.path === '' ? path.replace(/\.$/, '') : path + problem.path, problem.message);
  }
  for (const member of target.urls) {
    const url = full[member];
    // A host that has no address now is no reason to refuse a change of something else.
    if (typeof url === 'string' && url !== before?.config[member]) await context.outbound.checkUrl(url);
  }
  const destination = target.destinationOf(full);
  const address = sealAddress(context, { channel: name, destination, address: full });
  return { config: masked(full, target.credentials), destination, address };
}

/** The configuration with its credentials. Throws `not_configured` when they cannot be read. */
export function opened(vault: Vault, channel: string, { destination, address }: Configured): Address {
  try {
    return openAddress(vault, { channel, destination, address });
  } catch (cause) {
    if (!(cause instanceof DecryptionError)) throw cause;
    const message = 'The stored credentials cannot be decrypted: give them anew';
    throw new MedicError('not_configured', message, { cause });
  }
}

/** Null clears a member, as leaving it out does. */
function present(members: Address): Address {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}

const compiled = new WeakMap<TSchema, ReturnType<typeof Compile>>();

function problemIn(schema: TSchema, value: unknown): { path: string; message: string } | undefined {
  const validator = compiled.get(schema) ?? Compile(schema);
  compiled.set(schema, validator);
  if (validator.Check(value)) return undefined;
  const [error] = validator.Errors(value).filter(({ keyword }) => keyword !== 'boolean');
  const parent = (error?.instancePath ?? '').split('/').slice(1);
  const params = (error?.params ?? {}) as Record<string, string[] | undefined>;
  const [missing] = params.requiredProperties ?? [];
  const [extra] = params.additionalProperties ?? [];
  const [path, message] =
    missing !== undefined
      ? [[...parent, missing], 'is required']
      : extra !== undefined
        ? [[...parent, extra], 'is not a known member']
        : [
            parent,
            error?.keyword === 'pattern' ? 'has characters that are not allowed here' : error?.message,
          ];
  return { path: path.join('.').slice(0, 300), message: message ?? 'is not valid' };
}
