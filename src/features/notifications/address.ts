import { createHash } from 'node:crypto';
import type { Vault } from '../../platform/vault.ts';

/**
 * Where a message goes, as its channel needs it. Its credential, where it has one, is `routing_key`. With a `digest`
 * beside it the credential is sealed; without one it is in clear, as all were that were stored before there was a key.
 */
export type Address = Readonly<Record<string, string>>;

interface Destination {
  channel: string;
  /** Free of credentials. */
  destination: string;
}

/** Under which the credential of a destination is sealed: moved to another one it does not open. */
export function credentialName({ channel, destination }: Destination): string {
  return `notifications.address:${channel}:${destination}`;
}

/**
 * Makes of addresses what is stored. Digests of equal credentials are equal, also when the key changes: that is how
 * messages about the same incident know each other. They tell nothing of a PagerDuty key, which is 128 bits of chance.
 * Within one sealer a credential is sealed once for each destination: at 5 to 15 µs each, sealing would be felt when
 * thousands of alerts open at once.
 */
export function addressSealer(vault: Vault): (to: Destination & { address: Address }) => Address {
  const sealed = new Map<string, Address>();
  return (to) => {
    const { routing_key: credential = '', digest } = to.address;
    if (!vault.configured || credential === '' || digest !== undefined) return to.address;
    const known = JSON.stringify([to.channel, to.destination, to.address]);
    const address = sealed.get(known) ?? {
      ...to.address,
      routing_key: vault.seal(credentialName(to), credential),
      digest: createHash('sha256').update(credential).digest('hex'),
    };
    sealed.set(known, address);
    return address;
  };
}

/** The address as its channel needs it. @throws DecryptionError */
export function openAddress(vault: Vault, from: Destination & { address: Address }): Address {
  const { digest, ...address } = from.address;
  if (digest === undefined) return address;
  return { ...address, routing_key: vault.open(credentialName(from), address.routing_key ?? '') };
}
