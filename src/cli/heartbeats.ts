import type { Command } from 'commander';
import { action, withServerOptions } from './context.ts';
import { wholeNumber } from './options.ts';
import { table } from './table.ts';

interface Heartbeat {
  heartbeat_id: number;
  heartbeat_name: string;
  service_name: string;
  time: string;
  status: string;
}

/** `medic heartbeat …`. */
export function addHeartbeatCommands(parent: Command): void {
  const group = parent.command('heartbeat').description('heartbeats that were received');

  withServerOptions(group.command('send <name>').description('send one heartbeat'))
    .option('--status <status>', 'UP, DEGRADED, STARTED, COMPLETED, DOWN or FAILED', 'UP')
    .option('--run-id <id>', 'the run of a job that it is about')
    .option('--message <text>', 'what to keep with it')
    .action(
      action(async (client, options, name: string) => {
        const results = await client.call('POST', '/heartbeat', {
          heartbeat_name: name,
          status: options.status,
          ...(options.runId === undefined ? {} : { run_id: options.runId }),
          ...(options.message === undefined ? {} : { message: options.message }),
        });
        client.print(results, () => `Heartbeat ${String(options.status).toUpperCase()} of ${name} recorded`);
      }),
    );

  withServerOptions(group.command('list').description('list heartbeats, newest first'))
    .option('--name <name>', 'only those of one service')
    .option('--limit <number>', 'how many', wholeNumber(1, 250), 50)
    .action(
      action(async (client, options) => {
        const query = new URLSearchParams({ maxCount: String(options.limit) });
        if (options.name !== undefined) query.set('heartbeat_name', String(options.name));
        const events = (await client.call('GET', `/heartbeat?${query}`)) as Heartbeat[];
        client.print(events, () =>
          table(
            ['ID', 'Name', 'Service', 'Time', 'Status'],
            events.map((event) => [
              String(event.heartbeat_id),
              event.heartbeat_name,
              event.service_name,
              event.time,
              event.status,
            ]),
          ),
        );
      }),
    );
}
