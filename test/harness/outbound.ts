import { type Allowance, judge, judgeAnswers } from '../../src/platform/outbound/guard.ts';
import { hostList, networkList } from '../../src/platform/outbound/settings.ts';

export function allowance(hosts = '', networks = ''): Allowance {
  return { hosts: hostList()(hosts) ?? new Set(), networks: networkList()(networks) ?? [] };
}

export const NOTHING = allowance();
export const passes = (url: string, allowed = NOTHING) => judge(url, allowed).kind !== 'refused';
export const answered = (addresses: string[], allowed = NOTHING, name = 'hook.example.com') =>
  judgeAnswers(name, addresses, allowed) === undefined;
/** As the host of a URL. */
export const inUrl = (address: string) => `http://${address.includes(':') ? `[${address}]` : address}/`;

/** What no setting allows (spec 05 section 7, rule 9). */
export const NEVER = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  'fd00:ec2::254',
  'fd00:ec2::23',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
];
