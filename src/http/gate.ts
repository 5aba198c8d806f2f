import type { FastifyRequest, onRequestHookHandler } from 'fastify';
import { ANONYMOUS, type Identity } from '../features/access/identity.ts';
import { grants } from '../features/access/scope.ts';
import type { KeyVerifier, Verification } from '../features/access/verify.ts';
import type { Settings } from '../platform/config.ts';
import { MedicError } from '../platform/errors.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Access } from './access.ts';
import { bearerOf } from './credentials.ts';

const REASONS = ['missing_key', 'invalid_key', 'expired_key', 'insufficient_scope'] as const;
type Reason = (typeof REASONS)[number];

export interface GateOptions {
  mode: Settings['MEDIC_AUTH_MODE'];
  keys: KeyVerifier;
  metrics: Metrics;
}

/**
 * The one place where a request is let in (spec 05 section 3): every route says in its `config` what it needs, and
 * before its body is read this finds out who calls and whether that is enough.
 */
export function createGate({ mode, keys, metrics }: GateOptions): onRequestHookHandler {
  const failures = metrics.counter('medic_auth_failures_total', 'Requests that were not let in', ['reason']);
  for (const reason of REASONS) failures.inc({ reason }, 0);

  const refuse = (reason: Reason, error: MedicError): never => {
    failures.inc({ reason });
    throw error;
  };

  function identityIn(verification: Verification): Identity {
    if (verification === 'invalid') {
      return refuse('invalid_key', new MedicError('unauthorized', 'Invalid API key'));
    }
    if (verification === 'expired') {
      return refuse('expired_key', new MedicError('unauthorized', 'The API key has expired'));
    }
    return verification.identity;
  }

  /** Whether the route lets in callers without a key. */
  const isOpen = (access: Access) =>
    mode === 'off' ||
    (mode === 'open-ingest' && access.scope === 'write' && access.rateClass === 'heartbeat');

  function admitStranger(request: FastifyRequest, access: Access): void {
    if (mode === 'off') request.identity = ANONYMOUS;
    if (isOpen(access)) return;
    const message = 'Missing or invalid Authorization header: it must be "Bearer <key>"';
    refuse('missing_key', new MedicError('unauthorized', message));
  }

  function admit(request: FastifyRequest, access: Access, identity: Identity): void {
    request.identity = identity;
    if (access.scope === null || isOpen(access) || grants(identity.scopes, access.scope)) return;
    const message = `Insufficient permissions: this needs the scope ${access.scope}`;
    refuse('insufficient_scope', new MedicError('forbidden', message));
  }

  return (request, _reply, done) => {
    const { access } = request.routeOptions.config;
    // Unknown paths and methods have nothing to protect; public routes take no notice of credentials.
    if (access === undefined || access.scope === null) return done();
    try {
      const key = bearerOf(request.headers.authorization);
      if (key === undefined) {
        admitStranger(request, access);
        return done();
      }
      const known = keys.recall(key);
      if (known !== undefined) {
        admit(request, access, identityIn(known));
        return done();
      }
      keys.verify(key).then(
        (verification) => {
          try {
            admit(request, access, identityIn(verification));
            done();
          } catch (error) {
            done(error as Error);
          }
        },
        (error: Error) => done(error),
      );
    } catch (error) {
      done(error as Error);
    }
  };
}
