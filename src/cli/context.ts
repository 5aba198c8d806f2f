import { type Command, Option } from 'commander';
import { CliError, ClientExit, UsageError } from './failure.ts';
import { addressOf, exchange, resultsOf, type ServerAddress } from './server.ts';

export interface ClientOptions {
  url?: string;
  apiKey?: string;
  json?: boolean;
}

const TIMEOUT_MS = 30_000;

/** What every client command works with. */
export class Client {
  readonly address: ServerAddress;
  readonly #json: boolean;

  constructor(options: ClientOptions) {
    this.address = addressOf(options);
    this.#json = options.json === true;
  }

  /** The `results` of one request. Throws CliError for everything but success. */
  async call(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return resultsOf(this.address, await exchange(this.address, { method, path, body, signal }));
  }

  /** Prints `results` raw when asked for JSON, else as the text that it is turned into. */
  print(results: unknown, asText: () => string): void {
    // A reader that has seen enough, such as head, is no failure.
    process.stdout.once('error', (error: NodeJS.ErrnoException) =>
      process.exit(error.code === 'EPIPE' ? 0 : 1),
    );
    process.stdout.write(`${this.#json ? JSON.stringify(results, null, 2) : asText()}\n`);
  }
}

/** The options that every client command takes, before or behind its name. */
export function withServerOptions(command: Command, hidden = false): Command {
  withAddressOptions(command, hidden);
  const json = new Option('--json', 'print the raw results');
  return command.addOption(hidden ? json.hideHelp() : json);
}

/** Those of them that say where the server is. */
export function withAddressOptions(command: Command, hidden = false): Command {
  const options = [
    new Option('--url <url>', 'address of the server (MEDIC_BASE_URL, default http://localhost:8080)'),
    new Option('--api-key <key>', 'API key (MEDIC_API_KEY; an argument is visible to other users)'),
  ];
  for (const option of options) command.addOption(hidden ? option.hideHelp() : option);
  return command;
}

/** An action of a client command: its failures are told in one line and exit with 1. */
export function action<Arguments extends unknown[]>(
  run: (
    client: Client,
    options: ClientOptions & Record<string, unknown>,
    ...args: Arguments
  ) => Promise<void>,
) {
  // Commander calls with the arguments, then the options, then the command.
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    const options = command.optsWithGlobals<ClientOptions & Record<string, unknown>>();
    try {
      await run(new Client(options), options, ...(given.slice(0, -2) as Arguments));
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      if (error instanceof UsageError) command.error(`error: ${error.message}`);
      process.stderr.write(`Error: ${error.message}\n`);
      throw new ClientExit(1);
    }
  };
}
