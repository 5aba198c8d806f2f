import { addressOf, isWithin, type Range, standingOf } from './ranges.ts';

/** What the operator allows (spec 05 section 7, rules 7 and 8). */
export interface Allowance {
  /** The only hosts that may be called, as `hostOf` writes them; empty: no such list. */
  hosts: ReadonlySet<string>;
  /** Addresses that may be called although their range is refused. */
  networks: readonly Range[];
}

/** Reasons are for the log alone. */
export type Judgement =
  | { kind: 'refused'; reason: string }
  /** The host is an address, and it may be called. */
  | { kind: 'address'; url: URL; address: string }
  /** The host is a name, and `judgeAnswers` has to say about its addresses. */
  | { kind: 'name'; url: URL; name: string };

const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
]);

/** All that can be said about a URL before its name is resolved (spec 05 section 7, rules 1 to 4 and 7 to 9). */
export function judge(text: string, allowed: Allowance): Judgement {
  if (!URL.canParse(text)) return refused('it is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return refused('its scheme is not http or https');
  if (url.username !== '' || url.password !== '') return refused('it has user information');
  const host = hostOf(url);
  if (host === '') return refused('it has no host');
  if (METADATA_NAMES.has(host)) return refused('its host is a metadata service');
  if (allowed.hosts.size > 0 && !allowed.hosts.has(host)) return refused('its host is not in the list');
  if (isLiteral(host)) {
    const reason = judgeAddress(host, allowed, 'a literal');
    return reason === undefined ? { kind: 'address', url, address: host } : refused(reason);
  }
  const loops = host === LOCALHOST || host.endsWith(`.${LOCALHOST}`);
  if (loops && (host !== LOCALHOST || allowed.networks.length === 0))
    return refused('its host is this machine');
  return { kind: 'name', url, name: host };
}

/** @returns why a name with these addresses may not be called; undefined: it may. One bad address is enough. */
export function judgeAnswers(
  name: string,
  addresses: readonly string[],
  allowed: Allowance,
): string | undefined {
  if (addresses.length === 0) return 'its host has no address';
  const origin = name === LOCALHOST ? 'localhost' : 'an answer';
  return addresses
    .map((address) => judgeAddress(address, allowed, origin))
    .find((reason) => reason !== undefined);
}

/** The host of a URL as it is compared: an address without brackets, a name without dots at its end. */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname.replace(/\.+$/, '');
}

const LOCALHOST = 'localhost';

/** The URL parser has turned every form of an IPv4 address into four decimals. */
function isLiteral(host: string): boolean {
  return host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

function judgeAddress(
  text: string,
  allowed: Allowance,
  origin: 'a literal' | 'an answer' | 'localhost',
): string | undefined {
  let address: ReturnType<typeof addressOf>;
  try {
    address = addressOf(text);
  } catch {
    return 'its host has an address that cannot be read';
  }
  const standing = standingOf(address);
  if (standing === 'never') return `${text} is never allowed`;
  if (allowed.networks.some((network) => isWithin(address, network))) return undefined;
  if (origin !== 'localhost') {
    if (standing === 'public') return undefined;
    if (standing === 'private' && origin === 'an answer' && allowed.hosts.size > 0) return undefined;
  }
  return `${text} is in a refused range`;
}

function refused(reason: string): Judgement {
  return { kind: 'refused', reason };
}
