import { Command, type CommanderError } from 'commander';
import { addAlertCommands } from './alerts.ts';
import { withServerOptions } from './context.ts';
import { ClientExit } from './failure.ts';
import { addHealthCommand } from './health.ts';
import { addHeartbeatCommands } from './heartbeats.ts';
import { addPlaybookCommands } from './playbooks.ts';
import { addRunCommand } from './run/command.ts';
import { addServiceCommands } from './services.ts';

/** Adds the commands that speak to a server, and nothing else (spec 08 section 2). */
export function addClientCommands(program: Command): void {
  const before = program.commands.length;
  // Options behind a command are its own: `run` must not lose those of the command that it wraps.
  withServerOptions(program.enablePositionalOptions(), true);
  addServiceCommands(program);
  addHeartbeatCommands(program);
  addAlertCommands(program);
  addPlaybookCommands(program);
  addHealthCommand(program);
  addRunCommand(program);
  for (const command of program.commands.slice(before)) {
    if (command.commands.length > 0) withServerOptions(command, true);
    asClient(command);
  }
}

/** `medic-cli`: these commands alone. */
export async function runClientProgram(): Promise<void> {
  const program = new Command('medic-cli').description('Speaks to a Medic server');
  addClientCommands(program);
  asClient(program);
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof ClientExit)) throw error;
    process.exitCode = error.code;
  }
}

/** An incomplete command prints the help and exits with 1, not with the 2 of the server's commands. */
function asClient(command: Command): void {
  command
    .showHelpAfterError()
    .configureOutput({
      // The help is what is asked for, the error what is wrong.
      writeErr: (text) => process.stdout.write(text),
      outputError: (text) => process.stderr.write(text.replace(/^error: /, 'Error: ')),
    })
    .exitOverride((error: CommanderError) => {
      throw new ClientExit(error.exitCode === 0 ? 0 : 1);
    });
  for (const inner of command.commands) asClient(inner);
}
