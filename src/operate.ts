import { type Medic, migrateAll, startMedic } from './lifecycle.ts';
import { type Role, readConfig } from './platform/config.ts';
import { configuredLogger } from './platform/configured-logger.ts';
import { openDatabase } from './platform/db.ts';
import { named } from './platform/logging.ts';
import { pendingMigrations } from './platform/migrate.ts';

const FAILURE = 1;
/** Ctrl-C below `npm start` arrives twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 500;

/** Starts the server in the given role, or in that of `MEDIC_ROLE`, and lets signals stop it. */
export async function serve(command: Role | undefined): Promise<void> {
  const config = readConfig(process.env);
  const role = command ?? config.MEDIC_ROLE;
  const giveUp = new AbortController();
  const starting = startMedic(config, role, giveUp.signal);
  stopOnSignals(starting, giveUp);
  const medic = await starting;
  if (giveUp.signal.aborted) return;
  process.stdout.write(`Medic ${config.MEDIC_VERSION} (${role}) listens on ${medic.address}\n`);
  medic.failed.then(async (reason) => {
    process.stderr.write(`${reason.message}\n`);
    await medic.stop();
    process.exit(FAILURE);
  });
}

/** The first SIGTERM or SIGINT stops in order, a second one at once. */
function stopOnSignals(starting: Promise<Medic>, giveUp: AbortController): void {
  let firstAt: number | undefined;
  const stop = async () => {
    if (firstAt !== undefined) {
      if (performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(FAILURE);
      return;
    }
    firstAt = performance.now();
    giveUp.abort();
    try {
      await (await starting).stop();
      process.exit(0);
    } catch {
      process.exit(FAILURE);
    }
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** `medic migrate`. */
export async function runMigrations(options: {
  dryRun?: boolean;
  verbose?: boolean;
  migrationsDir?: string;
}): Promise<void> {
  const config = readConfig(process.env);
  if (config.database === undefined) {
    throw new Error(
      'DATABASE_URL: is needed by "medic migrate"; the embedded database migrates itself at start',
    );
  }
  const log = configuredLogger(config, { level: options.verbose === true ? 'DEBUG' : 'INFO' });
  const db = openDatabase({ connection: config.database, poolSize: 2, log: named(log, 'db') });
  try {
    const say = (line: string) => process.stdout.write(`${line}\n`);
    if (options.dryRun === true) {
      const pending = await pendingMigrations(db, options.migrationsDir);
      for (const { version } of pending) say(`pending ${version}`);
      say(`${pending.length} pending`);
      return;
    }
    named(log, 'migrate').info({ pod: config.POD_NAME, namespace: config.POD_NAMESPACE }, 'migrating');
    const applied = await migrateAll(db, log, options.migrationsDir);
    say(`${applied.length} applied`);
  } finally {
    await db.end();
  }
}
