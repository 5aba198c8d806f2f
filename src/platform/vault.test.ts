import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecryptionError, decodeKey, keyIdOf, Vault } from './vault.ts';

const current = randomBytes(32);
const previous = randomBytes(32);
const vault = new Vault({ current, previous });
const old = new Vault({ current: previous, previous: undefined });
/** What can be sealed: half of a surrogate pair is no character, and is refused at the edge. */
const text = fc.string({ unit: 'binary', maxLength: 200 });

describe('a sealed value', () => {
  test('opens to exactly what was sealed, under its name', () => {
    fc.assert(
      fc.property(text, text, (name, value) => {
        expect(vault.open(name, vault.seal(name, value))).toBe(value);
      }),
    );
  });

  test('of 64 KiB opens too', () => {
    const value = 'ä'.repeat(32_768);
    expect(vault.open('BIG', vault.seal('BIG', value))).toBe(value);
  });

  test('does not open under another name', () => {
    fc.assert(
      fc.property(text, text, text, (name, other, value) => {
        fc.pre(name !== other);
        expect(() => vault.open(other, vault.seal(name, value))).toThrow(DecryptionError);
      }),
    );
  });

  test('does not open when any bit of its stored form is flipped', () => {
    const sealed = Buffer.from(vault.seal('NAME', 'value of a secret'), 'latin1');
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const altered = Buffer.from(sealed);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => vault.open('NAME', altered.toString('latin1')), `bit ${bit}`).toThrow(DecryptionError);
    }
  });

  test('does not open when any bit of its bytes is flipped', () => {
    const [version, id, body = ''] = vault.seal('NAME', 'value').split(':');
    const bytes = Buffer.from(body, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const altered = Buffer.from(bytes);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const sealed = `${version}:${id}:${altered.toString('base64url')}`;
      expect(() => vault.open('NAME', sealed), `bit ${bit}`).toThrow(DecryptionError);
    }
  });

  test('does not open when something is cut off, added, or taken from another one', () => {
    const sealed = vault.seal('NAME', 'value');
    const another = vault.seal('NAME', 'other');
    const altered = [
      '',
      'value',
      sealed.slice(0, -1),
      sealed.slice(0, -4),
      `${sealed}=`,
      `${sealed}\n`,
      ` ${sealed}`,
      `${sealed}AAAA`,
      sealed.slice(0, 40) + another.slice(40),
      sealed.toUpperCase(),
    ];
    for (const form of altered) expect(() => vault.open('NAME', form)).toThrow(DecryptionError);
  });

  test('never says what it holds when it does not open', () => {
    const sealed = vault.seal('NAME', 'hunter2-hunter2');
    const stranger = new Vault({ current: randomBytes(32), previous: undefined });
    for (const attempt of [() => stranger.open('NAME', sealed), () => vault.open('OTHER', sealed)]) {
      expect(attempt).toThrow(/^(?!.*(hunter2|NAME|v1:))/);
    }
  });

  test('is different each time', () => {
    const forms = Array.from({ length: 1000 }, () => vault.seal('NAME', 'value'));
    expect(new Set(forms.map((form) => form.slice(0, 36))).size).toBe(1000);
  });
});

describe('the keyring', () => {
  test('opens what the previous key sealed, and seals with the current one', () => {
    const sealed = old.seal('NAME', 'value');
    expect(vault.open('NAME', sealed)).toBe('value');
    expect(keyIdOf(sealed)).toBe(old.currentKeyId);
    expect(keyIdOf(vault.seal('NAME', 'value'))).toBe(vault.currentKeyId);
    expect(() => old.open('NAME', vault.seal('NAME', 'value'))).toThrow(DecryptionError);
  });

  test('does not open with a wrong key that claims the right id', () => {
    const [version, , body] = old.seal('NAME', 'value').split(':');
    expect(() => vault.open('NAME', `${version}:${vault.currentKeyId}:${body}`)).toThrow(DecryptionError);
  });

  test('without a key seals nothing and opens nothing', () => {
    const empty = new Vault({ current: undefined, previous: undefined });
    expect(empty.configured).toBe(false);
    expect(() => empty.seal('NAME', 'value')).toThrow('secrets are not configured');
    expect(() => empty.open('NAME', vault.seal('NAME', 'value'))).toThrow(DecryptionError);
  });
});

test('what is not a stored form has no key id', () => {
  for (const form of ['', 'value', 'v2:0123456789abcdef:AAAA', `v1:${'0'.repeat(16)}:AA`]) {
    expect(keyIdOf(form)).toBeUndefined();
  }
});

describe('a key is the base64 of exactly 32 bytes', () => {
  const good = current.toString('base64');
  test('and of nothing else', () => {
    expect(decodeKey(good)).toEqual(current);
    const bad = [
      '',
      'x',
      good.slice(0, -1),
      `${good}=`,
      `${good.slice(0, 20)} ${good.slice(20)}`,
      `${good}\n`,
    ];
    const lengths = [0, 16, 31, 33, 64].map((length) => randomBytes(length).toString('base64'));
    // The last character of 32 bytes carries two bits that must be zero.
    const loose = `${Buffer.alloc(32).toString('base64').slice(0, 42)}B=`;
    for (const text of [...bad, ...lengths, loose, current.toString('hex')]) {
      expect(decodeKey(text), text).toBeUndefined();
    }
  });
});
