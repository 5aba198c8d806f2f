/**
 * Sessions of the dashboard (spec 05 section 5): a cookie instead of a key.
 * In: a verified key, or a cookie. Out: sessions; who the caller is, by the key as it is now.
 * Crash: a session without its answer is known to nobody, and ends by itself.
 */
import { hash, randomBytes } from 'node:crypto';
import type { Database } from '../../platform/db.ts';
import type { Identity } from './identity.ts';
import * as store from './store-sessions.ts';
import { expiryOf, identityOf, type Verified } from './verify.ts';

const LIFE_MS = 12 * 3_600_000;

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

/** The caller with this cookie; undefined: there is no such session, or it or its key has ended. */
export async function findSession(db: Database, token: string, now: Date): Promise<Identity | undefined> {
  const row = await store.findSession(db, hashOf(token), now);
  if (row === undefined) return undefined;
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
