import type { Command } from 'commander';
import { action, withServerOptions } from './context.ts';
import { CliError, ClientExit } from './failure.ts';
import { exchange, messageOf } from './server.ts';
import { printable } from './table.ts';

interface Health {
  status: string;
  timestamp?: string;
  version?: string;
  components?: Record<string, { status?: string }>;
}

const TIMEOUT_MS = 10_000;
const FINE = ['healthy', 'configured'];

/** `medic health`: exit code 0 only for `healthy`. */
export function addHealthCommand(parent: Command): void {
  withServerOptions(parent.command('health').description('state of the server and its parts')).action(
    action(async (client) => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const answer = await exchange(client.address, { method: 'GET', path: '/health', signal });
      const health = answer.document as Partial<Health> | null | undefined;
      if (typeof health?.status !== 'string') throw new CliError(messageOf(client.address, answer));
      client.print(health, () => textOf(health as Health));
      if (health.status !== 'healthy') throw new ClientExit(1);
    }),
  );
}

function textOf({ status, timestamp, version, components }: Health): string {
  const parts = Object.entries(components ?? {}).map(([name, part]) => {
    const word = part?.status ?? 'unknown';
    return `  ${FINE.includes(word) ? '[OK]' : '[WARN]'} ${name}: ${word}`;
  });
  return [
    `Status: ${status.toUpperCase()}`,
    `Timestamp: ${timestamp ?? '-'}`,
    `Version: ${version ?? '-'}`,
    ...(parts.length === 0 ? [] : ['Components:', ...parts]),
  ]
    .map(printable)
    .join('\n');
}
