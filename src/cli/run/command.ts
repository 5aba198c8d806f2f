import { type Command, Option } from 'commander';
import { type ClientOptions, withAddressOptions } from '../context.ts';
import { UsageError } from '../failure.ts';
import { duration, wholeNumber } from '../options.ts';
import { addressOf } from '../server.ts';
import { expectationOf } from '../services.ts';
import type { RunSettings } from './wrap.ts';

interface RunOptions extends ClientOptions {
  pingKey?: string;
  timeout?: string;
  retries: number;
  spool?: string;
  output: boolean;
  strict?: boolean;
  create?: boolean;
  service?: string;
  interval?: number;
  cron?: string;
  timezone?: string;
  grace?: number;
}

/** `medic run`: wraps a job (spec 08 section 2.1). */
export function addRunCommand(parent: Command): void {
  const command = parent
    .command('run')
    .usage('NAME [options] -- COMMAND [ARG ...]')
    .description('run a command and report its start, end, duration and output')
    .argument('[name]', 'the service that it belongs to')
    .argument('[command...]', 'behind --: the command and its arguments');
  withAddressOptions(command)
    .option('--ping-key <key>', 'report by ping key, without API key (MEDIC_PING_KEY)')
    .addOption(
      new Option('--timeout <duration>', 'kill the command after this time, such as 90s, 5m or 2h').argParser(
        (text) => {
          duration(1)(text);
          return /\d$/.test(text) ? `${text}s` : text;
        },
      ),
    )
    .option('--retries <number>', 'send a signal again that often', wholeNumber(0, 100), 0)
    .option('--spool <dir>', 'where signals are kept that could not be sent')
    .option('--no-output', 'do not send the end of the output')
    .option('--strict', 'exit with 70 when monitoring failed')
    .option('--create', 'register the service on first use')
    .option('--service <service>', 'with --create: what it belongs to, by default its name')
    .addOption(
      new Option('--interval <minutes>', 'with --create: minutes between runs')
        .argParser(wholeNumber(1, 10_080))
        .conflicts('cron'),
    )
    .option('--cron <expression>', 'with --create: when it runs, such as "0 2 * * *"')
    .option('--timezone <zone>', 'with --cron: its time zone')
    .option('--grace <duration>', 'with --create: how late it may be', duration(0))
    .action(async (...given: unknown[]) => {
      const self = given.at(-1) as Command;
      process.exit(await (await import('./wrap.ts')).run(await settingsOf(self)));
    });
}

async function settingsOf(self: Command): Promise<RunSettings> {
  const options = self.optsWithGlobals<RunOptions>();
  const [name, command] = splitArguments(self);
  const pingKey = pingKeyOf(options);
  if (command.length === 0) self.error('error: the command is missing: it goes behind --');
  if (name === undefined && pingKey === undefined) self.error('error: the name of the service is missing');
  let registration: object | undefined;
  try {
    registration = registrationOf(options, name);
  } catch (error) {
    self.error(`error: ${(error as Error).message}`);
  }
  const { ApiDestination, PingDestination } = await import('./destination.ts');
  const { defaultSpool } = await import('./spool.ts');
  return {
    command,
    name: name ?? 'the job',
    destination: () => {
      const address = addressOf(options);
      return pingKey === undefined
        ? new ApiDestination(address, name ?? '', registration)
        : new PingDestination(address.url, pingKey, name ?? 'the job');
    },
    limit:
      options.timeout === undefined
        ? undefined
        : { seconds: duration(1)(options.timeout), text: options.timeout },
    retries: options.retries,
    spool: () => options.spool ?? defaultSpool(),
    captureOutput: options.output,
    strict: options.strict === true,
  };
}

/** What stands before `--` and what behind; the parser has thrown them together. */
function splitArguments(self: Command): [name: string | undefined, command: string[]] {
  const argv = process.argv;
  const end = argv.indexOf('--');
  const command = end === -1 ? [] : argv.slice(end + 1);
  const before = self.args.slice(0, self.args.length - command.length);
  if (before.length > 1) self.error('error: the command goes behind --');
  return [before[0], command];
}

/** A key given as option is meant; one of the environment gives way to --create, which needs the API. */
function pingKeyOf(options: RunOptions): string | undefined {
  if (options.pingKey !== undefined) return options.pingKey;
  return options.create === true ? undefined : process.env.MEDIC_PING_KEY?.trim() || undefined;
}

function registrationOf(options: RunOptions, name: string | undefined): object | undefined {
  const { create, service, interval, cron, timezone, grace, pingKey } = options;
  if (create !== true) {
    const lonely = Object.entries({ service, interval, cron, timezone, grace }).find(
      ([, value]) => value !== undefined,
    );
    if (lonely !== undefined) throw new UsageError(`--${lonely[0]} needs --create`);
    return undefined;
  }
  if (pingKey !== undefined) throw new UsageError('--create needs the API: leave out --ping-key');
  return {
    heartbeat_name: name,
    service_name: service ?? name,
    ...expectationOf({ interval, cron, timezone }),
    ...(grace === undefined ? {} : { grace_period_seconds: grace }),
  };
}
