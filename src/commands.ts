import { Command, CommanderError, Option } from 'commander';
import { type Medic, migrateAll, startMedic } from './lifecycle.ts';
import { type Role, readConfig } from './platform/config.ts';
import { openDatabase } from './platform/db.ts';
import { createLogger, named } from './platform/logging.ts';
import { MIGRATIONS_DIR, pendingMigrations } from './platform/migrate.ts';

/** Exit codes: 0 success, 1 failure, 2 wrong usage (spec 08 section 1). */
const FAILURE = 1;
const WRONG_USAGE = 2;
/** Ctrl-C below `npm start` arrives twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 500;

const program = new Command('medic')
  .description('Heartbeat monitor: notices what falls silent and tells the right people')
  .exitOverride()
  .action(() => serve(undefined));

program
  .command('api')
  .description('the HTTP role alone')
  .action(() => serve('api'));
program
  .command('worker')
  .description('the detecting and sending role alone')
  .action(() => serve('worker'));
program
  .command('migrate')
  .description('apply the migrations of the database')
  .addOption(new Option('--dry-run', 'list what is pending and change nothing'))
  .addOption(new Option('--verbose', 'tell each step'))
  .addOption(new Option('--migrations-dir <dir>', 'where the .sql files are').default(MIGRATIONS_DIR))
  .action(runMigrations);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE;
  else fail(error);
}

async function serve(command: Role | undefined): Promise<void> {
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

async function runMigrations(options: {
  dryRun?: boolean;
  verbose?: boolean;
  migrationsDir: string;
}): Promise<void> {
  const config = readConfig(process.env);
  if (config.database === undefined) {
    throw new Error(
      'DATABASE_URL: is needed by "medic migrate"; the embedded database migrates itself at start',
    );
  }
  const log = createLogger({
    level: options.verbose === true ? 'DEBUG' : 'INFO',
    format: config.MEDIC_LOG_FORMAT,
    environment: config.MEDIC_ENVIRONMENT,
    version: config.MEDIC_VERSION,
  });
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

function fail(error: unknown): void {
  process.stderr.write(`medic: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(FAILURE);
}
