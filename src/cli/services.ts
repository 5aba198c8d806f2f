import { type Command, Option } from 'commander';
import { action, type Client, withServerOptions } from './context.ts';
import { CliError, UsageError } from './failure.ts';
import { wholeNumber } from './options.ts';
import { printable, table, yesNo } from './table.ts';

/** A service as `GET /service` answers it, as far as it is shown. */
interface Service {
  service_id: number;
  heartbeat_name: string;
  service_name: string;
  active: number;
  alert_interval: number;
  threshold: number;
  team: string;
  priority: string;
  muted: number;
  down: number;
  runbook: string | null;
}

const HEADINGS = ['Name', 'Service', 'Active', 'Interval', 'Team', 'Priority', 'Muted', 'Down'];

/** `medic service …`. */
export function addServiceCommands(parent: Command): void {
  const group = parent.command('service').description('services that are watched');

  withServerOptions(group.command('list').description('list services'))
    .option('--active', 'only active ones')
    .option('--team <team>', 'only those of a team')
    .action(
      action(async (client, options) => {
        const all = (await client.call('GET', `/service${options.active ? '?active=1' : ''}`)) as Service[];
        const { team } = options;
        const services = team === undefined ? all : all.filter((service) => service.team === team);
        client.print(services, () => table(HEADINGS, services.map(rowOf)));
      }),
    );

  withServerOptions(group.command('get <name>').description('show one service')).action(
    action(async (client, _options, name: string) => {
      const service = await find(client, name);
      client.print([service], () => details(service));
    }),
  );

  withServerOptions(group.command('mute <name>').description('hold back messages about a service'))
    .option('--duration <duration>', 'such as 30m, 24h or 7d', '24h')
    .option('--reason <text>', 'why')
    .action(
      action(async (client, options, name: string) => {
        const { service_id, heartbeat_name } = await find(client, name);
        const results = await client.call('POST', `/v2/services/${service_id}/mute`, {
          duration: options.duration,
          ...(options.reason === undefined ? {} : { reason: options.reason }),
        });
        const until = (results as { mute_until?: string }).mute_until;
        client.print(
          results,
          () => `${heartbeat_name} is muted${until === undefined ? '' : ` until ${until}`}`,
        );
      }),
    );

  withServerOptions(group.command('unmute <name>').description('end a mute')).action(
    action(async (client, _options, name: string) => {
      const { service_id, heartbeat_name } = await find(client, name);
      const results = await client.call('POST', `/v2/services/${service_id}/unmute`, {});
      client.print(results, () => `${heartbeat_name} is no longer muted`);
    }),
  );

  withServerOptions(group.command('add <name>').description('register a service'))
    .requiredOption('--service <service>', 'what it belongs to')
    .addOption(
      new Option('--interval <minutes>', 'minutes between signs of life')
        .argParser(wholeNumber(1, 10_080))
        .conflicts('cron'),
    )
    .option('--cron <expression>', 'when it runs, such as "0 2 * * *"')
    .option('--timezone <zone>', 'of the cron expression, such as Europe/Berlin')
    .action(
      action(async (client, options, name: string) => {
        const results = await client.call('POST', '/v2/services', {
          heartbeat_name: name,
          service_name: options.service,
          ...expectationOf(options),
        });
        const { service_id, ping_url } = results as { service_id: number; ping_url?: string | null };
        client.print(results, () =>
          [`${name} is registered (id ${service_id})`, ping_url ? `Ping URL: ${ping_url}` : '']
            .filter(Boolean)
            .join('\n'),
        );
      }),
    );
}

/** What a new service is expected to do, as `POST /v2/services` takes it. */
export function expectationOf(options: Record<string, unknown>): Record<string, unknown> {
  const { interval, cron, timezone } = options;
  if (timezone !== undefined && cron === undefined) throw new UsageError('--timezone needs --cron');
  if (cron !== undefined) {
    return { expected_cron: cron, ...(timezone === undefined ? {} : { expected_timezone: timezone }) };
  }
  if (interval === undefined) throw new UsageError('one of --interval and --cron is needed');
  return { alert_interval: interval };
}

async function find(client: Client, name: string): Promise<Service> {
  const [service] = (await client.call('GET', `/service/${encodeURIComponent(name)}`)) as Service[];
  if (service === undefined) throw new CliError(`Service ${name} not found`);
  return service;
}

function rowOf(service: Service): string[] {
  return [
    service.heartbeat_name,
    service.service_name,
    yesNo(service.active),
    `${service.alert_interval}m`,
    service.team,
    service.priority,
    yesNo(service.muted),
    yesNo(service.down),
  ];
}

function details(service: Service): string {
  const lines: [string, string][] = [
    ['Heartbeat Name', service.heartbeat_name],
    ['Service Name', service.service_name],
    ['Active', yesNo(service.active)],
    ['Alert Interval', `${service.alert_interval} minutes`],
    ['Threshold', String(service.threshold)],
    ['Team', service.team],
    ['Priority', service.priority],
    ['Muted', yesNo(service.muted)],
    ['Down', yesNo(service.down)],
    ['Runbook', service.runbook || 'Not set'],
  ];
  return lines.map(([label, value]) => `${label}: ${printable(value)}`).join('\n');
}
