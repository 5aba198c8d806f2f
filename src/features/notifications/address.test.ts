import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { Vault } from '../../platform/vault.ts';
import { addressSealer, openAddress } from './address.ts';
import type { Address, Channel, TargetKind } from './channels/channel.ts';

const kind = (identity: string, credentials: string[]) =>
  ({ credentials, identityOf: (config: Address) => String(config[identity]) }) as unknown as TargetKind;
const channel = (name: string, target: TargetKind) => [name, { name, target } as Channel] as const;
const channels = new Map([
  channel('pagerduty', kind('routing_key', ['routing_key'])),
  channel('slack', kind('channel_id', [])),
]);
const vault = new Vault({ current: randomBytes(32), previous: undefined });
const context = { vault, channels };
const PAGER = {
  channel: 'pagerduty',
  destination: 'default',
  address: { routing_key: 'a key', region: 'eu' },
};
const DIGEST = expect.stringMatching(/^[0-9a-f]{64}$/);

test('a credential is sealed, what is beside it is not, and both come back', () => {
  const address = addressSealer(context)(PAGER);
  expect(address).toEqual({ credentials: expect.stringMatching(/^v1:/), region: 'eu', digest: DIGEST });
  expect(openAddress(vault, { ...PAGER, address })).toEqual(PAGER.address);
});

test('the digest is equal for equal credentials, the sealed form is not', () => {
  const [one, two] = [addressSealer(context)(PAGER), addressSealer(context)(PAGER)];
  expect(one.digest).toBe(two.digest);
  expect(one.credentials).not.toBe(two.credentials);
  const other = addressSealer(context)({ ...PAGER, address: { routing_key: 'another' } });
  expect(other.digest).not.toBe(one.digest);
});

test('one sealer keeps credentials and destinations apart', () => {
  const seal = addressSealer(context);
  const tos = [
    PAGER,
    { ...PAGER, destination: 'other' },
    { ...PAGER, address: { routing_key: 'another' } },
    { ...PAGER, address: { ...PAGER.address, region: 'us' } },
  ];
  for (const to of [...tos, ...tos]) {
    expect(openAddress(vault, { ...to, address: seal(to) })).toEqual(to.address);
  }
});

test('what is sealed is not sealed again, and what has no credential is shown', () => {
  const seal = addressSealer(context);
  const sealed = { ...PAGER, address: seal(PAGER) };
  expect(seal(sealed)).toEqual(sealed.address);
  const slack = { channel: 'slack', destination: 'C1', address: { channel_id: 'C1' } };
  expect(seal(slack)).toEqual({ channel_id: 'C1', digest: DIGEST });
  expect(openAddress(vault, { ...slack, address: seal(slack) })).toEqual(slack.address);
});

test('without a key credentials stay in clear, and are read', () => {
  const bare = new Vault({ current: undefined, previous: undefined });
  const address = addressSealer({ vault: bare, channels })(PAGER);
  expect(address).toEqual({ credentials: '{"routing_key":"a key"}', region: 'eu', digest: DIGEST });
  expect(openAddress(bare, { ...PAGER, address })).toEqual(PAGER.address);
});

test('a sealed credential does not open for another destination', () => {
  const moved = { ...PAGER, destination: 'other', address: addressSealer(context)(PAGER) };
  expect(() => openAddress(vault, moved)).toThrow('altered, or sealed under another name');
});
