import { type Database, sql } from '../../platform/db.ts';
import type { KeyRow } from './store.ts';

export interface SessionRow extends Pick<KeyRow, 'api_key_id' | 'name' | 'scopes' | 'rate_limits'> {
  token_hash: Buffer;
  /** Of the session. */
  expires_at: Date;
  /** Of its key. */
  key_expires_at: Date | number | null;
}

/** @param tokens SHA-256 of the cookies. @returns the sessions that there are, with their keys, as they are now. */
export async function findSessions(
  db: Database,
  tokens: readonly Buffer[],
  now: Date,
): Promise<SessionRow[]> {
  const { rows } = await db.query<SessionRow>(sql`
    select session.token_hash, key.api_key_id, key.name, key.scopes, key.rate_limits, session.expires_at,
      key.expires_at as key_expires_at
    from medic.sessions session join medic.api_keys key using (api_key_id)
    where session.token_hash = any(${tokens}) and session.expires_at > ${now}`);
  return rows;
}

/**
 * @param keyHash of the key as it was verified
 * @returns false when the key is another one by now, or revoked
 */
export async function insertSession(
  db: Database,
  apiKeyId: number,
  keyHash: string,
  session: { token: Buffer; now: Date; expiresAt: Date },
): Promise<boolean> {
  // The lock waits for a rotation in progress, and makes one that comes now wait, so that it ends this session too.
  const { rowCount } = await db.query(sql`
    insert into medic.sessions (token_hash, api_key_id, created_at, expires_at)
    select ${session.token}, api_key_id, ${session.now}, ${session.expiresAt}
    from medic.api_keys where api_key_id = ${apiKeyId} and key_hash = ${keyHash} for share`);
  return rowCount === 1;
}

export async function deleteSession(db: Database, token: Buffer): Promise<void> {
  await db.query(sql`delete from medic.sessions where token_hash = ${token}`);
}

export async function deleteEndedSessions(db: Database, now: Date): Promise<void> {
  await db.query(sql`delete from medic.sessions where expires_at <= ${now}`);
}

export async function deleteSessionsOf(db: Database, apiKeyId: number): Promise<void> {
  await db.query(sql`delete from medic.sessions where api_key_id = ${apiKeyId}`);
}

/** Which of some sessions there are still. @param ids SHA-256 of their cookies, URL-safe base64. */
export async function listSessions(db: Database, ids: readonly string[], now: Date): Promise<string[]> {
  const tokens = ids.map((id) => Buffer.from(id, 'base64url'));
  const { rows } = await db.query<{ token_hash: Buffer }>(sql`
    select token_hash from medic.sessions where token_hash = any(${tokens}) and expires_at > ${now}`);
  return rows.map((row) => row.token_hash.toString('base64url'));
}
