import type { Reader } from '../environment.ts';
import { hostOf } from './guard.ts';
import { type Range, range } from './ranges.ts';

/** A comma list of names and addresses, read as the host of a URL is; unset when it has no entry. */
export function hostList(): Reader<ReadonlySet<string> | undefined> {
  return (value) => {
    const hosts = entriesOf(value).map(hostEntry);
    return hosts.length === 0 ? undefined : new Set(hosts);
  };
}

/** A comma list of networks; unset when it has no entry. */
export function networkList(): Reader<readonly Range[] | undefined> {
  return (value) => {
    const networks = entriesOf(value).map(range);
    return networks.length === 0 ? undefined : networks;
  };
}

function entriesOf(value = ''): string[] {
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function hostEntry(entry: string): string {
  const bare = entry.includes(':') && !entry.startsWith('[') ? `[${entry}]` : entry;
  const text = `http://${bare}/`;
  const url = /[\s/\\?#@*]|\]./.test(bare) || !URL.canParse(text) ? undefined : new URL(text);
  if (url === undefined || hostOf(url) === '') throw new Error(`"${entry}" is not a host`);
  return hostOf(url);
}
