import ipaddr from 'ipaddr.js';

/** An address as it is judged: never an IPv4 address in the clothes of IPv6. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type Range = readonly [network: Address, prefixLength: number];

/** Refused ranges and the ones among them that names of the host list may resolve to (spec 05 section 7). */
const PRIVATE = ranges(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7']);
const REFUSED = [
  ...PRIVATE,
  ...ranges([
    '0.0.0.0/8',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '192.0.0.0/24',
    '198.18.0.0/15',
    '224.0.0.0/4',
    '240.0.0.0/4',
    '::/128',
    '::1/128',
    '64:ff9b::/96',
    '64:ff9b:1::/48',
    '100::/64',
    '2001::/32',
    '2002::/16',
    'fe80::/10',
    'fec0::/10',
    'ff00::/8',
  ]),
];
/** Where clouds hand out credentials: refused whatever is configured. */
const NEVER = new Set(
  [
    '169.254.169.254',
    '169.254.170.2',
    '169.254.170.23',
    'fd00:ec2::254',
    'fd00:ec2::23',
    '100.100.100.200',
    '192.0.0.192',
    '168.63.129.16',
  ].map((text) => ipaddr.parse(text).toString()),
);

/**
 * Ranges whose addresses reach an IPv4 address, and at which bytes they carry it. They matter when a range was allowed:
 * NAT64 by RFC 6052 section 2.2 (RFC 8215 leaves the length of the local prefix open), 6to4 by RFC 3056, Teredo by
 * RFC 4380, which inverts the bits.
 */
const CARRIERS: readonly { range: Range; places: readonly (readonly number[])[]; inverted?: boolean }[] = [
  { range: range('64:ff9b::/96'), places: [[12, 13, 14, 15]] },
  {
    range: range('64:ff9b:1::/48'),
    places: [
      [6, 7, 9, 10],
      [7, 9, 10, 11],
      [9, 10, 11, 12],
      [12, 13, 14, 15],
    ],
  },
  { range: range('2002::/16'), places: [[2, 3, 4, 5]] },
  { range: range('2001::/32'), places: [[12, 13, 14, 15]], inverted: true },
];

/** The address that a text means; IPv4-mapped and IPv4-compatible ones are the IPv4 address inside. Throws. */
export function addressOf(text: string): Address {
  const address = ipaddr.parse(text);
  if (address instanceof ipaddr.IPv4) return address;
  const compatible = isWithin(address, COMPATIBLE) && !SPECIAL.some((special) => isWithin(address, special));
  return compatible || address.isIPv4MappedAddress() ? carried(address, [12, 13, 14, 15]) : address;
}

const COMPATIBLE = range('::/96');
const SPECIAL = ranges(['::/128', '::1/128']);

/** What may be done with an address: `private` is what only names of the host list may lead to. */
export type Standing = 'public' | 'private' | 'refused' | 'never';

export function standingOf(address: Address): Standing {
  if (NEVER.has(address.toString()) || reached(address).some((inner) => NEVER.has(inner))) return 'never';
  if (PRIVATE.some((one) => isWithin(address, one))) return 'private';
  return REFUSED.some((one) => isWithin(address, one)) ? 'refused' : 'public';
}

export function isWithin(address: Address, [network, prefixLength]: Range): boolean {
  return address.kind() === network.kind() && address.match(network, prefixLength);
}

function reached(address: Address): string[] {
  return CARRIERS.filter((carrier) => isWithin(address, carrier.range)).flatMap(({ places, inverted }) =>
    places.map((place) => carried(address, place, inverted).toString()),
  );
}

function carried(address: Address, place: readonly number[], inverted = false): ipaddr.IPv4 {
  const bytes = address.toByteArray();
  return new ipaddr.IPv4(place.map((index) => (bytes[index] ?? 0) ^ (inverted ? 0xff : 0)));
}

/** A network such as `10.20.0.0/16` or `fd12::/16`. Throws when it is none, or IPv4 written as IPv6. */
export function range(text: string): Range {
  const valid = ipaddr.IPv4.isValidCIDRFourPartDecimal(text) || ipaddr.IPv6.isValidCIDR(text);
  if (!valid || text.includes('%')) throw new Error(`"${text}" is not a network such as 10.20.0.0/16`);
  const [network, prefixLength] = ipaddr.parseCIDR(text);
  if (network instanceof ipaddr.IPv6 && network.isIPv4MappedAddress()) {
    throw new Error(`"${text}": write it as an IPv4 network`);
  }
  return [network, prefixLength];
}

function ranges(texts: readonly string[]): Range[] {
  return texts.map(range);
}
