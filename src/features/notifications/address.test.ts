import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { Vault } from '../../platform/vault.ts';
import { addressSealer, openAddress } from './address.ts';

const vault = new Vault({ current: randomBytes(32), previous: undefined });
const PAGER = {
  channel: 'pagerduty',
  destination: 'default',
  address: { routing_key: 'a key', region: 'eu' },
};

test('a credential is sealed, what is beside it is not, and both come back', () => {
  const address = addressSealer(vault)(PAGER);
  expect(address).toEqual({
    routing_key: expect.stringMatching(/^v1:/),
    region: 'eu',
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(openAddress(vault, { ...PAGER, address })).toEqual(PAGER.address);
});

test('the digest is equal for equal credentials, the sealed form is not', () => {
  const [one, two] = [addressSealer(vault)(PAGER), addressSealer(vault)(PAGER)];
  expect(one.digest).toBe(two.digest);
  expect(one.routing_key).not.toBe(two.routing_key);
  const other = addressSealer(vault)({ ...PAGER, address: { routing_key: 'another' } });
  expect(other.digest).not.toBe(one.digest);
});

test('one sealer keeps credentials and destinations apart', () => {
  const seal = addressSealer(vault);
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

test('what is sealed is not sealed again, and what has no credential stays as it is', () => {
  const seal = addressSealer(vault);
  const sealed = { ...PAGER, address: seal(PAGER) };
  expect(seal(sealed)).toEqual(sealed.address);
  for (const address of [{ channel_id: 'C1' }, { routing_key: '' }, {}]) {
    expect(seal({ ...PAGER, address })).toEqual(address);
    expect(openAddress(vault, { ...PAGER, address })).toEqual(address);
  }
});

test('without a key addresses stay in clear, and are read', () => {
  const bare = new Vault({ current: undefined, previous: undefined });
  expect(addressSealer(bare)(PAGER)).toEqual(PAGER.address);
  expect(openAddress(bare, PAGER)).toEqual(PAGER.address);
});

test('a sealed credential does not open for another destination', () => {
  const moved = { ...PAGER, destination: 'other', address: addressSealer(vault)(PAGER) };
  expect(() => openAddress(vault, moved)).toThrow('altered, or sealed under another name');
});
