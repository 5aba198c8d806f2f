import { describe, expect, test } from 'vitest';
import { allowance, answered, inUrl, NEVER, NOTHING, passes } from '../../../test/harness/outbound.ts';
import { judge } from './guard.ts';
import { hostList, networkList } from './settings.ts';

describe('the list of hosts', () => {
  const listed = allowance(
    ' Hook.Example.com ,bücher.example, 10.1.2.3, [FD00:0::5], localhost, metadata, 8.8.8.8,,',
  );

  test('lets only its hosts pass, in any case and by their meaning', () => {
    for (const url of [
      'http://hook.example.com/',
      'https://HOOK.example.com.:8443/x',
      'http://xn--bcher-kva.example/',
    ]) {
      expect(passes(url, listed), url).toBe(true);
    }
    expect(passes('http://0x8.8.8.8/', listed)).toBe(true);
    for (const host of ['example.com', 'a.hook.example.com', 'hook.example.com.evil.example', '1.1.1.1']) {
      expect(passes(`http://${host}/`, listed), host).toBe(false);
    }
  });

  test('lets its names lead to private addresses, and to no other refused ones', () => {
    for (const address of [
      '10.0.0.1',
      '172.31.9.9',
      '192.168.1.1',
      '100.64.0.1',
      'fc00::1',
      'fdff::1',
      '::ffff:10.1.1.1',
    ]) {
      expect(answered([address, '8.8.8.8'], listed), address).toBe(true);
      expect(answered([address]), address).toBe(false);
    }
    for (const address of [
      '127.0.0.1',
      '::1',
      '169.254.1.1',
      '0.0.0.0',
      '192.0.0.1',
      'fe80::1',
      '64:ff9b::1',
      '2002::1',
    ]) {
      expect(answered([address], listed), address).toBe(false);
    }
  });

  test('opens no refused literal and no refused name', () => {
    for (const host of ['10.1.2.3', '[fd00::5]', 'localhost', 'metadata']) {
      expect(passes(`http://${host}/`, listed), host).toBe(false);
    }
  });
});

describe('the allowed networks', () => {
  const open = allowance('', '10.20.0.0/16, 127.0.0.0/8,fd12::/16,::1/128');

  test('let their addresses pass, as literals and as answers, and no others', () => {
    for (const address of ['10.20.0.0', '10.20.255.255', '127.0.0.1', 'fd12::1', '::1', '::ffff:10.20.1.1']) {
      expect(passes(inUrl(address), open), address).toBe(true);
      expect(answered([address], open), address).toBe(true);
    }
    for (const address of [
      '10.19.255.255',
      '10.21.0.0',
      '192.168.0.1',
      'fd13::1',
      '::',
      '::ffff:10.21.0.0',
    ]) {
      expect(passes(inUrl(address), open), address).toBe(false);
      expect(answered([address], open), address).toBe(false);
    }
    expect(passes('http://2130706433/', open)).toBe(true);
  });

  test('let localhost pass when all its addresses lie in them', () => {
    expect(judge('http://LocalHost./', open)).toMatchObject({ kind: 'name', name: 'localhost' });
    expect(answered(['127.0.0.1', '::1'], open, 'localhost')).toBe(true);
    const onlyV4 = allowance('', '127.0.0.0/8');
    expect(answered(['127.0.0.1', '::1'], onlyV4, 'localhost')).toBe(false);
    expect(answered(['127.0.0.1', '8.8.8.8'], onlyV4, 'localhost')).toBe(false);
    expect(passes('http://app.localhost/', open)).toBe(false);
    expect(answered(['10.0.0.1'], allowance('localhost', '127.0.0.0/8'), 'localhost')).toBe(false);
  });

  test('do not replace the list of hosts', () => {
    const both = allowance('hook.example.com,10.20.0.7', '10.20.0.0/16');
    expect(passes('http://10.20.0.7/', both)).toBe(true);
    expect(passes('http://10.20.0.8/', both)).toBe(false);
    expect(passes('http://8.8.8.8/', both)).toBe(false);
    expect(answered(['10.20.0.8', '192.168.0.1'], both)).toBe(true);
    expect(answered(['127.0.0.1'], both)).toBe(false);
  });
});

describe('what is never allowed', () => {
  const everything = allowance('', '0.0.0.0/0,::/0');

  test('stays refused when everything else is allowed', () => {
    expect(passes('http://127.0.0.1/', everything)).toBe(true);
    const listed = allowance(`hook.example.com,metadata,metadata.goog,${NEVER.join(',')}`, '0.0.0.0/0,::/0');
    for (const allowed of [NOTHING, everything, listed]) {
      for (const address of NEVER) {
        expect(passes(inUrl(address), allowed), address).toBe(false);
        expect(answered(['8.8.8.8', address], allowed), address).toBe(false);
      }
      for (const name of ['metadata', 'METADATA.goog.', 'metadata.google.internal', 'instance-data']) {
        expect(passes(`http://${name}/`, allowed), name).toBe(false);
      }
    }
  });

  test('stays refused inside of addresses that carry it', () => {
    for (const address of [
      '::ffff:169.254.169.254',
      '::169.254.169.254',
      '64:ff9b::169.254.169.254',
      '64:ff9b:1::169.254.169.254',
      '64:ff9b:1:a9fe:a9:fe00::',
      '64:ff9b:1:a9:fe:a9fe::',
      '64:ff9b:1:0:a9:fea9:fe00:0',
      '2002:a9fe:a9fe::1',
      '2001:0:4136:e378:8000:63bf:5601:5601',
    ]) {
      expect(passes(inUrl(address), everything), address).toBe(false);
      expect(answered([address], everything), address).toBe(false);
    }
    expect(passes('http://[64:ff9b::8.8.8.8]/', everything)).toBe(true);
  });
});

describe('impossible settings', () => {
  test.each([
    'http://x/',
    'a/b',
    'a b',
    'user@host',
    'host:80',
    '[::1]:80',
    '1.2.3.4.5',
    'a?b',
    'a#b',
    '*',
    '*.example.com',
    '.',
    'a\\b',
  ])('a host %j is refused', (entry) => {
    expect(() => hostList()(`example.com,${entry}`)).toThrow('is not a host');
  });

  test.each([
    '10.0.0.0',
    '10/8',
    '10.0.0.0/33',
    '0x0a.0.0.0/8',
    '::/129',
    'fe80::%eth0/10',
    'x/8',
    '10.0.0.0/-1',
    '/',
  ])('a network %j is refused', (entry) => {
    expect(() => networkList()(`127.0.0.0/8, ${entry}`)).toThrow('is not a network');
  });

  test('IPv4 networks are written as such', () => {
    expect(() => networkList()('::ffff:10.0.0.0/104')).toThrow('IPv4');
  });

  test('an empty list is no list', () => {
    for (const empty of [undefined, '', ' ', ' , ,']) {
      expect(hostList()(empty)).toBeUndefined();
      expect(networkList()(empty)).toBeUndefined();
    }
  });
});
