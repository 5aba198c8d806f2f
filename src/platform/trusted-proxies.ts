import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** How the address of a caller is told from what proxies say (spec 05 section 6). */
export type TrustedProxies =
  | { hops: number; ranges?: never }
  | { hops?: never; ranges: readonly [Address, number][] };

const MAX_HOPS = 32;

/** Reads a number of proxies, or a comma list of their ranges. */
export function trustedProxies(): (text: string | undefined) => TrustedProxies | undefined {
  return (text) => {
    if (text === undefined) return undefined;
    if (/^\d+$/.test(text)) {
      const hops = Number(text);
      if (hops < 1 || hops > MAX_HOPS) throw new Error(`must be from 1 to ${MAX_HOPS}, or a list of ranges`);
      return { hops };
    }
    return { ranges: text.split(',').map((part) => rangeOf(part.trim())) };
  };
}

function rangeOf(text: string): [Address, number] {
  const isRange = ipaddr.IPv4.isValidCIDRFourPartDecimal(text) || ipaddr.IPv6.isValidCIDR(text);
  const range = isRange ? ipaddr.parseCIDR(text) : undefined;
  // A range of mapped addresses would match nothing: those are judged as IPv4.
  if (range === undefined || (range[0] instanceof ipaddr.IPv6 && range[0].isIPv4MappedAddress())) {
    throw new Error(`must be a number or a list of ranges such as 10.0.0.0/8, not "${text}"`);
  }
  return range;
}
