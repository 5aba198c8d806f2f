import { withCommandDatabase } from './command-database.ts';
import { sealedSecrets } from './features/access/secrets.ts';
import { sealedAddresses } from './features/notifications/credentials.ts';
import { sealedTargets, sealedWebhooks } from './features/routing/credentials.ts';
import { readConfig } from './platform/config.ts';
import { ConfigurationError } from './platform/environment.ts';
import { type RotationResult, rotate, type SealedPlace } from './platform/rotation.ts';
import { vaultOf, withSecretsKey } from './platform/secrets-key.ts';

/** Every place that holds sealed values. A new one is one line here. */
const PLACES: readonly SealedPlace[] = [sealedSecrets, sealedAddresses, sealedTargets, sealedWebhooks];

/**
 * `medic rotate-secrets`: seals everything with the current key (spec 05 section 9). Repeating is harmless.
 * @returns whether everything is
 */
export async function rotateSecrets(): Promise<boolean> {
  const config = readConfig(process.env);
  if (config.database !== undefined && config.MEDIC_SECRETS_KEY === undefined) {
    throw new ConfigurationError('MEDIC_SECRETS_KEY', 'is needed by "medic rotate-secrets"');
  }
  return withCommandDatabase(config, async ({ db }) => {
    const vault = vaultOf((await withSecretsKey(config)).config);
    let complete = true;
    for (const place of PLACES) {
      const result = await rotate(db, vault, place);
      report(result);
      complete &&= result.left === 0 && result.unreadable.size === 0;
    }
    return complete;
  });
}

function report({ what, resealed, left, unreadable }: RotationResult): void {
  process.stdout.write(`${what}: ${resealed} re-encrypted\n`);
  if (left > 0) process.stderr.write(`${what}: ${left} were in use, run the command again\n`);
  for (const [name, count] of unreadable) {
    process.stderr.write(`${what}: ${name} cannot be decrypted${count > 1 ? ` (${count} times)` : ''}\n`);
  }
}
