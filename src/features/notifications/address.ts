import { createHash } from 'node:crypto';
import type { Vault } from '../../platform/vault.ts';
import type { Address, Channel } from './channels/channel.ts';

/**
 * Where a message goes, as it is stored: the members that may be seen, the `credentials`, and a `digest` of what tells the
 * destination from others. The credentials are the JSON of the secret members, sealed when there is a key. Digests of
 * equal destinations are equal, also when the key changes: that is how messages about the same incident know each
 * other. They tell nothing of a PagerDuty key or the address of a chat webhook, which are long and made by chance.
 */
export type StoredAddress = Address & { readonly digest: string; readonly credentials?: string };

interface Destination {
  channel: string;
  /** Free of credentials. */
  destination: string;
}

/** Under which the credentials of a destination are sealed: moved to another one they do not open. */
export function credentialName({ channel, destination }: Destination): string {
  return `notifications.address:${channel}:${destination}`;
}

/** The address as it is stored; one that was stored before, as for the end of an alert, is that already. */
export function sealAddress(
  { vault, channels }: { vault: Vault; channels: ReadonlyMap<string, Channel> },
  to: Destination & { address: Address },
): StoredAddress {
  if (isStored(to.address)) return to.address;
  const target = channels.get(to.channel)?.target;
  const identity = target?.identityOf(to.address) ?? JSON.stringify(to.address);
  const digest = createHash('sha256').update(identity).digest('hex');
  const isSecret = ([name]: [string, unknown]) => target?.credentials.includes(name) === true;
  const members = Object.entries(to.address);
  const shown = Object.fromEntries(members.filter((member) => !isSecret(member)));
  const secret = members.filter(isSecret);
  if (secret.length === 0) return { ...shown, digest };
  const text = JSON.stringify(Object.fromEntries(secret));
  return { ...shown, digest, credentials: vault.configured ? vault.seal(credentialName(to), text) : text };
}

/**
 * Makes of addresses what is stored. Within one sealer an address is sealed once: at 5 to 15 µs each, sealing would be
 * felt when thousands of alerts open at once.
 */
export function addressSealer(
  context: Parameters<typeof sealAddress>[0],
): (to: Destination & { address: Address }) => StoredAddress {
  const sealed = new Map<string, StoredAddress>();
  return (to) => {
    if (isStored(to.address)) return to.address;
    const known = JSON.stringify([to.channel, to.destination, to.address]);
    const address = sealed.get(known) ?? sealAddress(context, to);
    sealed.set(known, address);
    return address;
  };
}

/** The address as its channel needs it. @throws DecryptionError */
export function openAddress(vault: Vault, from: Destination & { address: Address }): Address {
  const { digest: _, credentials, ...shown } = from.address as StoredAddress;
  if (credentials === undefined) return shown;
  const text = isClear(credentials) ? credentials : vault.open(credentialName(from), credentials);
  return { ...shown, ...(JSON.parse(text) as Address) };
}

function isStored(address: Address): address is StoredAddress {
  return typeof address.digest === 'string';
}

/** JSON begins with a brace, what is sealed with a version. */
function isClear(credentials: string): boolean {
  return credentials.startsWith('{');
}
