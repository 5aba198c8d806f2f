/**
 * Sessions of the dashboard (spec 05 section 5): a cookie instead of a key.
 * In: a verified key, or a cookie. Out: sessions; who the caller is, by the key as it is now.
 * Crash: a session without its answer is known to nobody, and ends by itself.
 */
import { hash, randomBytes } from 'node:crypto';
import type { Clock } from '../../platform/clock.ts';
import type { Database } from '../../platform/db.ts';
import { GroupCommit } from '../../platform/group-commit.ts';
import type { Identity } from './identity.ts';
import * as store from './store-sessions.ts';
import { expiryOf, identityOf, type Verified } from './verify.ts';

const LIFE_MS = 12 * 3_600_000;
const MAX_BATCH = 512;
const MAX_WAITING = 5_000;

export interface StartedSession {
  identity: Identity;
  /** The value of the cookie, known to the browser alone. */
  token: string;
}

/** @returns undefined when the key was changed or revoked since it was verified. */
export async function startSession(
  db: Database,
  { identity, keyHash }: Verified,
  now: Date,
): Promise<StartedSession | undefined> {
  const token = randomBytes(32).toString('base64url');
  const expiresAt = new Date(now.getTime() + LIFE_MS);
  const session = { token: hashOf(token), now, expiresAt };
  if (!(await store.insertSession(db, identity.apiKeyId ?? 0, keyHash, session))) return undefined;
  return { identity: identityWithin(identity, token, expiresAt), token };
}

/**
 * Who comes with a cookie. The database is asked about all that come at once together: whoever makes cookies up is asked
 * about before any limit, and must not keep its connections from those who report.
 */
export class Sessions {
  readonly #lookup: GroupCommit<string, Identity | undefined>;

  constructor({ db, clock }: { db: Database; clock: Clock }) {
    this.#lookup = new GroupCommit({
      flush: (tokens) => findAll(db, tokens, clock.now()),
      maxBatch: MAX_BATCH,
      maxWaiting: MAX_WAITING,
    });
  }

  /** @returns undefined when there is no such session, or it or its key has ended. Rejects with 503 when busy. */
  find(token: string): Promise<Identity | undefined> {
    return this.#lookup.submit(token);
  }
}

async function findAll(
  db: Database,
  tokens: readonly string[],
  now: Date,
): Promise<(Identity | undefined)[]> {
  const rows = await store.findSessions(db, tokens.map(hashOf), now);
  const found = new Map(rows.map((row) => [row.token_hash.toString('base64url'), row]));
  return tokens.map((token) => {
    const row = found.get(hashOf(token).toString('base64url'));
    return row === undefined ? undefined : identityIn(row, token, now);
  });
}

function identityIn(row: store.SessionRow, token: string, now: Date): Identity | undefined {
  const keyEnd = expiryOf(row.key_expires_at);
  if (keyEnd !== null && keyEnd.getTime() <= now.getTime()) return undefined;
  return identityWithin(identityOf({ ...row, expires_at: row.key_expires_at }), token, row.expires_at);
}

export async function endSession(db: Database, sessionId: string): Promise<void> {
  await store.deleteSession(db, Buffer.from(sessionId, 'base64url'));
}

/** Removes the sessions that have ended. */
export async function forgetEndedSessions(db: Database, now: Date): Promise<void> {
  await store.deleteEndedSessions(db, now);
}

/** A session ends with its key at the latest. */
function identityWithin(identity: Identity, token: string, sessionEnd: Date): Identity {
  const { expiresAt: keyEnd } = identity;
  const expiresAt = keyEnd !== null && keyEnd.getTime() < sessionEnd.getTime() ? keyEnd : sessionEnd;
  return { ...identity, expiresAt, sessionId: hashOf(token).toString('base64url') };
}

/** Who reads the database cannot make a cookie of what is stored there. */
function hashOf(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}
