import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { MedicError } from './errors.ts';

/**
 * Secrets at rest: AES-256-GCM (spec 05 section 9). The stored form of a value is the text
 *
 *   v1:<key id, 16 hex digits>:<base64url without padding of nonce (12 bytes), ciphertext, tag (16 bytes)>
 *
 * The additional data are the UTF-8 bytes of the name of the value, so that a stored form opens under its own name
 * only. The key id is derived from the key and tells nothing about it.
 */
const FORM = /^v1:([0-9a-f]{16}):([\w-]{38,})$/;
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A stored form that does not open: wrong key, wrong name or altered data. The message holds no part of it. */
export class DecryptionError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = 'DecryptionError';
  }
}

export interface Keyring {
  /** Seals and opens; undefined: secrets are not configured. */
  readonly current: Buffer | undefined;
  /** Opens only, until everything is sealed with the current key. */
  readonly previous: Buffer | undefined;
}

export class Vault {
  /** Id of the key that seals; undefined: secrets are not configured. */
  readonly currentKeyId: string | undefined;
  readonly #current: Buffer | undefined;
  readonly #keys = new Map<string, Buffer>();

  constructor({ current, previous }: Keyring) {
    this.#current = current;
    this.currentKeyId = current === undefined ? undefined : idOf(current);
    for (const key of [current, previous]) if (key !== undefined) this.#keys.set(idOf(key), key);
  }

  /** Ids of the keys that open. */
  get keyIds(): string[] {
    return [...this.#keys.keys()];
  }

  get configured(): boolean {
    return this.#current !== undefined;
  }

  /** @throws MedicError `not_configured` when there is no key */
  demandKey(): void {
    if (!this.configured) throw new MedicError('not_configured', 'secrets are not configured');
  }

  /** @throws MedicError `not_configured` when there is no key */
  seal(name: string, value: string): string {
    this.demandKey();
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#current as Buffer, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(name, 'utf8'));
    const sealed = Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `v1:${this.currentKeyId}:${sealed.toString('base64url')}`;
  }

  /**
   * @returns the value that was sealed under this name, never another one
   * @throws DecryptionError
   */
  open(name: string, sealed: string): string {
    const [, keyId = '', text = ''] = FORM.exec(sealed) ?? [];
    const bytes = Buffer.from(text, 'base64url');
    // A text that is not the only one for its bytes was altered.
    if (text === '' || bytes.toString('base64url') !== text) throw new DecryptionError('not a sealed value');
    const key = this.#keys.get(keyId);
    if (key === undefined) throw new DecryptionError(`sealed with the key ${keyId}, which is not configured`);
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(name, 'utf8'));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const value = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
    try {
      return Buffer.concat([value, decipher.final()]).toString('utf8');
    } catch {
      throw new DecryptionError('altered, or sealed under another name');
    }
  }
}

/** @returns the id of the key that sealed a value; undefined for what is not a stored form */
export function keyIdOf(sealed: string): string | undefined {
  return FORM.exec(sealed)?.[1];
}

/** @returns the key, or undefined unless the text is the base64 of exactly 32 bytes */
export function decodeKey(text: string): Buffer | undefined {
  const key = Buffer.from(text, 'base64');
  return key.length === KEY_BYTES && key.toString('base64') === text ? key : undefined;
}

function idOf(key: Buffer): string {
  return createHmac('sha256', key).update('medic key id').digest('hex').slice(0, 16);
}
