import { hash, randomBytes } from 'node:crypto';

const WELL_FORMED = /^mdk_[A-Za-z0-9_-]{32,252}$/;
const PREFIX_LENGTH = 8;

/** A new API key: `mdk_` and 256 random bits in unpadded URL-safe base64 (spec 05 section 2). */
export function newKey(): string {
  return `mdk_${randomBytes(32).toString('base64url')}`;
}

/** Whether the text can be a key at all: `mdk_` and at least 32 characters of URL-safe base64. */
export function isWellFormed(key: string): boolean {
  return WELL_FORMED.test(key);
}

/** The part that is stored in clear and finds the candidate; undefined: this is no key. */
export function prefixOf(key: string): string | undefined {
  return isWellFormed(key) ? key.slice(4, 4 + PREFIX_LENGTH) : undefined;
}

/** SHA-256: under it a verified key is remembered, so that the clear one is not kept. */
export function digestOf(key: string): string {
  return hash('sha256', key, 'base64');
}
