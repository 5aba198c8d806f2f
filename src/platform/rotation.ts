import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabasePool } from './db.ts';
import { DecryptionError, type Vault } from './vault.ts';

/** A value of a place that is not sealed with the current key. */
export interface StaleValue {
  /** In the order of its place. */
  id: string;
  /** Under which it is sealed. */
  name: string;
  /** As it is stored. */
  stored: string;
  /** Stored before there was a key. */
  clear: boolean;
}

export interface Resealed {
  id: string;
  stored: string;
  sealed: string;
}

/** Somewhere that sealed values are kept. */
export interface SealedPlace {
  /** Names it to the operator, such as `secrets`. */
  readonly what: string;
  /** Up to `limit` values after an id, in order. */
  stale(db: DatabasePool, keyId: string, after: string | undefined, limit: number): Promise<StaleValue[]>;
  /**
   * Replaces in one statement what is still stored as it was read, waiting for nobody.
   * @returns how many
   */
  replace(db: DatabasePool, changes: readonly Resealed[]): Promise<number>;
}

export interface RotationResult {
  what: string;
  /** Sealed with the current key now. */
  resealed: number;
  /** Changed or held by others while they were read, in every pass; another run finds them. */
  left: number;
  /** Names of what does not open, and how often. */
  unreadable: Map<string, number>;
}

/** Values of one statement, and so of one transaction. */
const BATCH = 100;
/** What others hold or change meanwhile is tried again, so often and after so long. */
const PASSES = 6;
const PAUSE_MS = 200;

/**
 * Seals everything in a place with the current key (spec 05 section 9).
 * In: values that are clear or sealed with another key. Out: the same values, sealed with the current key.
 * Crash: each batch is one statement; what is not done yet is found by the next run.
 */
export async function rotate(db: DatabasePool, vault: Vault, place: SealedPlace): Promise<RotationResult> {
  vault.demandKey();
  const result: RotationResult = { what: place.what, resealed: 0, left: 0, unreadable: new Map() };
  for (let pass = 1; ; pass += 1) {
    result.left = 0;
    result.unreadable = new Map();
    await rotateOnce(db, vault, place, result);
    if (result.left === 0 || pass === PASSES) return result;
    await sleep(PAUSE_MS);
  }
}

async function rotateOnce(
  db: DatabasePool,
  vault: Vault,
  place: SealedPlace,
  result: RotationResult,
): Promise<void> {
  const keyId = vault.currentKeyId as string;
  let after: string | undefined;
  for (;;) {
    const values = await place.stale(db, keyId, after, BATCH);
    const changes = values.flatMap((value) => {
      const clear = value.clear ? value.stored : opened(vault, value);
      if (clear !== undefined) {
        return [{ id: value.id, stored: value.stored, sealed: vault.seal(value.name, clear) }];
      }
      result.unreadable.set(value.name, (result.unreadable.get(value.name) ?? 0) + 1);
      return [];
    });
    const replaced = changes.length === 0 ? 0 : await place.replace(db, changes);
    result.resealed += replaced;
    result.left += changes.length - replaced;
    if (values.length < BATCH) return;
    after = values.at(-1)?.id;
  }
}

function opened(vault: Vault, { name, stored }: StaleValue): string | undefined {
  try {
    return vault.open(name, stored);
  } catch (error) {
    if (error instanceof DecryptionError) return undefined;
    throw error;
  }
}
