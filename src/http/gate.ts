import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import { ANONYMOUS, type Identity } from '../features/access/identity.ts';
import { grants } from '../features/access/scope.ts';
import type { Sessions } from '../features/access/sessions.ts';
import { isWrong, type KeyVerifier, type Verification } from '../features/access/verify.ts';
import type { Settings } from '../platform/config.ts';
import { MedicError } from '../platform/errors.ts';
import type { Access } from './access.ts';
import { bearerOf, CSRF_HEADER, isOwnRequest, sessionTokenOf } from './credentials.ts';
import type { RateLimits } from './rate-limit.ts';
import type { Refusals } from './refusals.ts';

export interface GateOptions {
  mode: Settings['MEDIC_AUTH_MODE'];
  keys: KeyVerifier;
  sessions: Pick<Sessions, 'find'>;
  refusals: Refusals;
  limits: RateLimits;
}

/**
 * The one place where a request is let in (spec 05 section 3): every route says in its `config` what it needs, and
 * before its body is read this finds out who calls and whether that is enough.
 */
export function createGate(options: GateOptions): onRequestHookHandler {
  const { mode, keys, sessions, refusals, limits } = options;
  const verifyFor = (request: FastifyRequest, reply: FastifyReply, key: string) =>
    limits.guarded(request, reply, (sender) => keys.verify(key, sender), isWrong);
  /** Whether the route lets in callers without a key. */
  const isOpen = (access: Access) =>
    mode === 'off' ||
    (mode === 'open-ingest' && access.scope === 'write' && access.rateClass === 'heartbeat');

  function admitStranger(request: FastifyRequest, access: Access): void {
    if (mode === 'off') request.identity = ANONYMOUS;
    if (!isOpen(access)) refusals.missingKey();
  }

  function admit(request: FastifyRequest, access: Access, identity: Identity): void {
    request.identity = identity;
    if (access.scope === null || isOpen(access) || grants(identity.scopes, access.scope)) return;
    refusals.scope(access.scope);
  }

  /** A session that has ended is no credential, so that an old cookie keeps nobody out of what is open. */
  function admitSession(request: FastifyRequest, access: Access, identity: Identity | undefined): void {
    if (identity === undefined) {
      admitStranger(request, access);
      return;
    }
    request.identity = identity;
    keys.noteUse(identity);
    if (!isOwnRequest(request.method, request.headers[CSRF_HEADER.toLowerCase()])) {
      throw new MedicError('forbidden', `The header ${CSRF_HEADER} is missing`);
    }
    admit(request, access, identity);
  }

  return (request, reply, done) => {
    const { access } = request.routeOptions.config;
    // Unknown paths and methods have nothing to protect; public routes take no notice of credentials.
    if (access === undefined || access.scope === null) return done();
    const settle = (judge: () => void) => {
      try {
        judge();
      } catch (error) {
        return done(error as Error);
      }
      done();
    };
    const key = bearerOf(request.headers.authorization);
    if (key !== undefined) {
      const admitKey = (verification: Verification) =>
        settle(() => admit(request, access, refusals.verified(verification).identity));
      const known = keys.recall(key);
      if (known !== undefined) admitKey(known);
      else verifyFor(request, reply, key).then(admitKey, done);
      return;
    }
    const token = sessionTokenOf(request.headers.cookie);
    if (token === undefined) settle(() => admitStranger(request, access));
    else sessions.find(token).then((identity) => settle(() => admitSession(request, access, identity)), done);
  };
}
