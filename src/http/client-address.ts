import ipaddr from 'ipaddr.js';
import type { TrustedProxies } from '../platform/trusted-proxies.ts';

/** Of the groups that an IPv6 address is told by: one network, whatever its hosts call themselves. */
const NETWORK_GROUPS = 4;

/**
 * Whose request it is (spec 05 section 6): the peer, or, as far as proxies are trusted, whom they name. What cannot be
 * read is never anybody's address: then it is the last one that a trusted proxy vouches for.
 * @param peer address of the other end of the connection; undefined when that is gone.
 * @param forwarded `X-Forwarded-For`.
 * @returns an IPv4 address, or the /64 network of an IPv6 address.
 */
export function clientAddress(
  peer: string | undefined,
  forwarded: string | string[] | undefined,
  trusted: TrustedProxies | undefined,
): string {
  // The usual case: what the operating system says needs no reading.
  if (trusted === undefined && peer !== undefined && !peer.includes(':')) return peer;
  const nearest = parse(peer ?? '');
  if (nearest === undefined) return 'unknown';
  const named =
    trusted === undefined || forwarded === undefined ? [] : String(forwarded).split(',').reverse();
  return networkOf(farthest(nearest, named, trusted));
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** @param named what the header says, nearest first. */
function farthest(nearest: Address, named: readonly string[], trusted: TrustedProxies | undefined): Address {
  if (trusted === undefined) return nearest;
  if (trusted.hops !== undefined) return parse(named[trusted.hops - 1] ?? '') ?? nearest;
  let address = nearest;
  for (const text of named) {
    if (!trusted.ranges.some((range) => contains(range, address))) return address;
    const next = parse(text);
    if (next === undefined) return address;
    address = next;
  }
  return address;
}

function contains([network, bits]: readonly [Address, number], address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, bits);
}

/** An address as proxies write it: with a port and in brackets too. IPv4 inside of IPv6 is IPv4. */
function parse(text: string): Address | undefined {
  const trimmed = text.trim();
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(trimmed)?.[1] ?? /^([\d.]+):\d+$/.exec(trimmed)?.[1] ?? trimmed;
  if (!ipaddr.IPv4.isValidFourPartDecimal(bare) && !ipaddr.IPv6.isValid(bare)) return undefined;
  return ipaddr.process(bare);
}

function networkOf(address: Address): string {
  if (address instanceof ipaddr.IPv4) return address.toString();
  const groups = address.parts.slice(0, NETWORK_GROUPS).map((part) => part.toString(16));
  return `${groups.join(':')}::/64`;
}
