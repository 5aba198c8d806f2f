import { Command, CommanderError, Option } from 'commander';
import { ClientExit } from './cli/failure.ts';
import { addClientCommands } from './cli/program.ts';

/** Exit codes: 0 success, 1 failure, 2 wrong usage (spec 08 section 1). */
const FAILURE = 1;
const WRONG_USAGE = 2;

const program = new Command('medic')
  .description('Heartbeat monitor: notices what falls silent and tells the right people')
  .exitOverride()
  .action(async () => (await server()).serve(undefined));

program
  .command('api')
  .description('the HTTP role alone')
  .action(async () => (await server()).serve('api'));
program
  .command('worker')
  .description('the detecting and sending role alone')
  .action(async () => (await server()).serve('worker'));
program
  .command('migrate')
  .description('apply the migrations of the database')
  .addOption(new Option('--dry-run', 'list what is pending and change nothing'))
  .addOption(new Option('--verbose', 'tell each step'))
  .addOption(new Option('--migrations-dir <dir>', 'where the .sql files are, by default those of Medic'))
  .action(async (options) => (await server()).runMigrations(options));
program
  .command('create-api-key')
  .description('create an API key and print it once')
  .requiredOption('--name <name>', 'what it is called, in the log and beside what its owner does')
  .addOption(new Option('--scopes <scopes...>', 'some of read, write, admin').default(['read']))
  .addOption(new Option('--expires <time>', 'when it ends, such as 2030-01-31T00:00:00Z; never by default'))
  .addOption(new Option('--force', 'replace the key, the scopes and the end of one that has the name'))
  .addOption(new Option('--quiet', 'print the key alone'))
  .action(async (options, command) => (await import('./create-api-key.ts')).createApiKey(options, command));
program
  .command('rotate-secrets')
  .description('re-encrypt every stored secret with the current MEDIC_SECRETS_KEY')
  .action(async () => {
    const { rotateSecrets } = await import('./rotate-secrets.ts');
    if (!(await rotateSecrets())) process.exitCode = FAILURE;
  });
addClientCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof ClientExit) process.exitCode = error.code;
  else if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE;
  else fail(error);
}

/** Loaded by the commands that need it: those that only speak to a server start in a tenth of the time. */
function server() {
  return import('./operate.ts');
}

function fail(error: unknown): void {
  process.stderr.write(`medic: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(FAILURE);
}
