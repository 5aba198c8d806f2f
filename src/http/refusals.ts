import type { Verification, Verified } from '../features/access/verify.ts';
import { MedicError } from '../platform/errors.ts';
import type { Metrics } from '../platform/metrics.ts';

const REASONS = ['missing_key', 'invalid_key', 'expired_key', 'insufficient_scope'] as const;

/** Why somebody is not let in: each reason with its answer and its count (spec 05 section 3). */
export class Refusals {
  readonly #count: (reason: (typeof REASONS)[number]) => void;

  constructor(metrics: Metrics) {
    const failures = metrics.counter('medic_auth_failures_total', 'Requests that were not let in', [
      'reason',
    ]);
    for (const reason of REASONS) failures.inc({ reason }, 0);
    this.#count = (reason) => failures.inc({ reason });
  }

  /** @returns what was proven. Throws `unauthorized` when that is nothing. */
  verified(verification: Verification): Verified {
    if (verification === 'invalid') return this.wrongKey();
    if (verification === 'expired') {
      this.#count('expired_key');
      throw new MedicError('unauthorized', 'The API key has expired');
    }
    return verification;
  }

  wrongKey(): never {
    this.#count('invalid_key');
    throw new MedicError('unauthorized', 'Invalid API key');
  }

  missingKey(): never {
    this.#count('missing_key');
    throw new MedicError(
      'unauthorized',
      'Missing or invalid Authorization header: it must be "Bearer <key>"',
    );
  }

  scope(needed: string): never {
    this.#count('insufficient_scope');
    throw new MedicError('forbidden', `Insufficient permissions: this needs the scope ${needed}`);
  }
}
