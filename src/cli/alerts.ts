import type { Command } from 'commander';
import { action, withServerOptions } from './context.ts';
import { wholeNumber } from './options.ts';
import { table, yesNo } from './table.ts';

interface Alert {
  alert_id: number;
  alert_name: string;
  active: number;
  alert_cycle: number;
  created_date: string;
  closed_date: string | null;
}

const LONGEST_NAME = 50;

/** `medic alerts …`. */
export function addAlertCommands(parent: Command): void {
  const group = parent.command('alerts').description('alerts, open and closed');

  withServerOptions(group.command('list').description('list alerts'))
    .option('--active', 'only those that are open')
    .action(
      action(async (client, options) => {
        const alerts = (await client.call('GET', `/alerts${options.active ? '?active=1' : ''}`)) as Alert[];
        client.print(alerts, () =>
          table(
            ['ID', 'Name', 'Active', 'Cycle', 'Created', 'Closed'],
            alerts.map((alert) => [
              String(alert.alert_id),
              [...alert.alert_name].slice(0, LONGEST_NAME).join(''),
              yesNo(alert.active),
              String(alert.alert_cycle),
              alert.created_date,
              alert.closed_date ?? '-',
            ]),
          ),
        );
      }),
    );

  withServerOptions(
    group
      .command('ack')
      .description('acknowledge an alert: someone is on it')
      .argument('<id>', 'id of the alert', wholeNumber(0, 999_999_999)),
  ).action(
    action(async (client, _options, id: number) => {
      const results = await client.call('POST', `/v2/alerts/${id}/acknowledge`, {});
      client.print(results, () => `Alert ${id} is acknowledged`);
    }),
  );
}
