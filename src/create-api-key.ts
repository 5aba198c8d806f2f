import type { Command } from 'commander';
import { withCommandDatabase } from './command-database.ts';
import { keyExpiry, keyName, keyScopes } from './features/access/key-settings.ts';
import { createKey, createOrReplaceKey, type ShownKey } from './features/access/manage.ts';
import { SCOPES, type Scope } from './features/access/scope.ts';
import { KeyVerifier } from './features/access/verify.ts';
import { readConfig } from './platform/config.ts';
import { invalid, MedicError } from './platform/errors.ts';

export interface CreateApiKeyOptions {
  name: string;
  scopes: string[];
  expires?: string;
  force?: boolean;
  quiet?: boolean;
}

/** Who does it, in the audit log. */
const ACTOR = 'system:create-api-key';

const OPTION: Record<string, string> = { name: '--name', scopes: '--scopes', expires_at: '--expires' };

/** `medic create-api-key` (spec 08 section 1). Rejects with a message for the operator. */
export async function createApiKey(options: CreateApiKeyOptions, command: Command): Promise<void> {
  try {
    const shown = await create(options);
    process.stdout.write(options.quiet === true ? `${shown.key}\n` : announcement(shown));
  } catch (error) {
    if (!(error instanceof MedicError)) throw error;
    const [problem] = error.problems;
    if (problem === undefined) throw error;
    command.error(`error: ${OPTION[problem.path] ?? problem.path} ${problem.message}`);
  }
}

function create(options: CreateApiKeyOptions): Promise<ShownKey> {
  const name = keyName(options.name);
  const scopes = keyScopes(options.scopes.map(scopeIn));
  const expires = options.expires ?? null;
  // What is no time at all is refused before there is a clock to compare it with.
  keyExpiry(expires, new Date(0));
  const config = readConfig(process.env);
  return withCommandDatabase(config, async ({ db, clock, log }) => {
    const expires_at = keyExpiry(expires, clock.now());
    const settings = { name, scopes, expires_at, rate_limits: {} };
    const keys = new KeyVerifier({ db, clock, log });
    const context = { db, clock, keys, authenticates: config.MEDIC_AUTH_MODE !== 'off' };
    if (options.force === true) return createOrReplaceKey(context, settings, ACTOR);
    return createKey(context, settings, ACTOR).catch((error: unknown) => {
      const taken = error instanceof MedicError && error.code === 'conflict';
      throw taken ? new Error(`${error.message}; --force replaces it`) : error;
    });
  });
}

function scopeIn(text: string): Scope {
  const found = SCOPES.find((scope) => scope === text.toLowerCase());
  if (found === undefined) throw invalid('scopes', `must be some of ${SCOPES.join(', ')}, not "${text}"`);
  return found;
}

function announcement({ row, key }: ShownKey): string {
  const end = row.expires_at instanceof Date ? `until ${row.expires_at.toISOString()}` : 'without end';
  return `API key "${row.name}" with ${row.scopes.join(', ')}, valid ${end}:\n${key}\nIt is shown only now.\n`;
}
