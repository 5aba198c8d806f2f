/** What went wrong in a client command, as its user reads it; the command exits with 1. */
export class CliError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CliError';
  }
}

/** What the user typed makes no command: the help is shown with it. */
export class UsageError extends CliError {}

/** Ends the program with this code; everything has been said already. */
export class ClientExit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.name = 'ClientExit';
    this.code = code;
  }
}
