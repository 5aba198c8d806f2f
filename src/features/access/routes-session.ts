import { stringifySetCookie } from 'cookie';
import { type Static, Type } from 'typebox';
import { needs } from '../../http/access.ts';
import { CSRF_HEADER, SESSION_COOKIE } from '../../http/credentials.ts';
import { answers, EmptyEnvelope, failures, ok } from '../../http/envelope.ts';
import type { RateLimits } from '../../http/rate-limit.ts';
import type { Refusals } from '../../http/refusals.ts';
import type { Router } from '../../http/server.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Settings } from '../../platform/config.ts';
import type { DatabasePool } from '../../platform/db.ts';
import { Instant, Nullable } from '../../platform/schema.ts';
import { ANONYMOUS, type Identity } from './identity.ts';
import { SCOPES } from './scope.ts';
import { endSession, type StartedSession, startSession } from './sessions.ts';
import { isWrong, type KeyVerifier, type Verification } from './verify.ts';

export interface SessionContext {
  db: DatabasePool;
  clock: Clock;
  keys: KeyVerifier;
  refusals: Refusals;
  limits: RateLimits;
  mode: Settings['MEDIC_AUTH_MODE'];
  /** `MEDIC_BASE_URL`: with https the cookie is sent over https only. */
  baseUrl: string;
}

const tags = ['session'];
const PATH = '/v2/session';

const Session = Type.Object({
  name: Type.String(),
  scopes: Type.Array(Type.String({ enum: [...SCOPES] })),
  expires_at: Nullable(Instant),
  auth_mode: Type.String(),
  csrf_header: Type.String({
    description: 'Must be sent, with any value, by requests with the cookie that are neither GET nor HEAD',
  }),
});

/** `/v2/session` (spec 05 section 5). */
export function sessionRoutes(app: Router, context: SessionContext): void {
  const { db, clock, keys, refusals, limits, mode } = context;
  const cookieOf = (value: string, maxAge: number) =>
    stringifySetCookie(SESSION_COOKIE, value, {
      httpOnly: true,
      sameSite: 'strict',
      path: '/',
      secure: context.baseUrl.startsWith('https:'),
      maxAge,
    });
  const shown = ({ name, scopes, expiresAt }: Identity): Static<typeof Session> => ({
    name,
    scopes: [...scopes],
    expires_at: expiresAt?.toISOString() ?? null,
    auth_mode: mode,
    csrf_header: CSRF_HEADER,
  });

  app.post(
    PATH,
    {
      // The key is in the body, so the gate cannot verify it.
      config: { access: { scope: null, rateClass: 'management' } },
      schema: {
        tags,
        summary: 'Log in: sets the cookie of a session that has the scopes of the key',
        body: Type.Object({ api_key: Type.String({ maxLength: 1000 }) }, { additionalProperties: false }),
        response: answers(200, Session),
      },
    },
    async (request, reply) => {
      const now = clock.now();
      const key = request.body.api_key;
      const verify = () => limits.guarded(request, reply, (sender) => keys.verify(key, sender), isWrong);
      const { identity, token } = await logIn(key, verify, now);
      const seconds = identity.expiresAt === null ? 0 : (identity.expiresAt.getTime() - now.getTime()) / 1000;
      reply.header('set-cookie', cookieOf(token, Math.floor(seconds)));
      return ok(shown(identity), 'Logged in');
    },
  );

  app.get(
    PATH,
    {
      config: needs('any'),
      schema: { tags, summary: 'Who am I', response: answers(200, Session) },
    },
    async ({ identity = ANONYMOUS }) => ok(shown(identity)),
  );

  app.delete(
    PATH,
    {
      config: needs('any'),
      schema: { tags, summary: 'Log out', response: { 200: EmptyEnvelope, ...failures } },
    },
    async ({ identity }, reply) => {
      const sessionId = identity?.sessionId ?? null;
      if (sessionId !== null) await endSession(db, sessionId);
      reply.header('set-cookie', cookieOf('', 0));
      return ok('' as const, 'Logged out');
    },
  );

  async function logIn(key: string, verify: () => Promise<Verification>, now: Date): Promise<StartedSession> {
    const known = keys.recall(key) ?? (await verify());
    const started = await startSession(db, refusals.verified(known), now);
    if (started !== undefined) return started;
    // The key was changed in this moment, or a moment ago elsewhere: what counts is what it is now.
    return (await startSession(db, refusals.verified(await verify()), now)) ?? refusals.wrongKey();
  }
}
