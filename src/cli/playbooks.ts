import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { action, type Client, type ClientOptions, withServerOptions } from './context.ts';
import { CliError, ClientExit } from './failure.ts';
import { printable } from './table.ts';

interface Problem {
  line: number;
  column: number;
  path: string;
  message: string;
}

/** The answer of `POST /v2/playbooks/validate`. */
interface Judgement {
  valid: boolean;
  errors: Problem[];
  warnings: Problem[];
  playbook: object | null;
}

/** `medic playbook …`. */
export function addPlaybookCommands(parent: Command): void {
  const group = parent.command('playbook').description('what is done about an alert');

  withServerOptions(group.command('validate <file>').description('tell all that is wrong with a playbook'))
    .option(
      '--offline',
      'ask no server; without it one is asked when an address or a key is given. Scripts and secrets are not looked for',
    )
    .action(
      action(async (client, options, file: string) => {
        const text = await contentOf(file);
        const judgement = isOffline(options) ? await judgeHere(text) : await judgeThere(client, text);
        client.print(judgement, () => textOf(file, judgement));
        if (!judgement.valid) throw new ClientExit(1);
      }),
    );
}

/** Who says nothing about a server wants none: a check of a repository needs neither address nor key. */
function isOffline(options: ClientOptions & Record<string, unknown>): boolean {
  if (options.offline === true) return true;
  const { MEDIC_BASE_URL: url = '', MEDIC_API_KEY: key = '' } = process.env;
  return [options.url ?? url, options.apiKey ?? key].every((given) => given.trim() === '');
}

async function judgeThere(client: Client, yaml_content: string): Promise<Judgement> {
  return (await client.call('POST', '/v2/playbooks/validate', { yaml_content })) as Judgement;
}

/** By the same parser as the server's; loaded only here, so that other commands start as fast as before. */
async function judgeHere(text: string): Promise<Judgement> {
  const { parsePlaybook } = await import('../features/playbooks/document.ts');
  const { errors, warnings, playbook } = parsePlaybook(text);
  return { valid: errors.length === 0, errors, warnings, playbook };
}

async function contentOf(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await (file === '-' ? buffer(process.stdin) : readFile(file));
  } catch (error) {
    throw new CliError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
  try {
    // The mark at the beginning counts as a character of the text.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CliError(`${file} is not UTF-8`);
  }
}

function textOf(file: string, { valid, errors, warnings }: Judgement): string {
  const line = (problem: Problem) => `${problem.line}:${problem.column} ${problem.path} ${problem.message}`;
  return [
    ...errors.map(line),
    ...warnings.map((warning) => `${line(warning)} (warning)`),
    ...(valid ? [`${file} is valid`] : []),
  ]
    .map(printable)
    .join('\n');
}
