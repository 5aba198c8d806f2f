import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ADMIN_KEY } from './harness/admin.ts';
import { Terminal } from './harness/cli.ts';
import { START, startTestMedic, type TestMedic } from './harness/medic.ts';

let medic: TestMedic;
let terminal: Terminal;
let gateway: Gateway;

beforeEach(async () => {
  medic = await startTestMedic();
  gateway = await Gateway.to(medic.url);
  terminal = new Terminal({ MEDIC_BASE_URL: gateway.url, MEDIC_API_KEY: ADMIN_KEY });
});
afterEach(async () => {
  terminal.close();
  await gateway.close();
  await medic.close();
});

/** An address at which Medic can be away for a while. */
class Gateway {
  away = false;
  readonly #server: Server;

  private constructor(target: string) {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      if (this.away) {
        response.writeHead(503).end();
        return;
      }
      const body = Buffer.concat(chunks);
      const answer = await fetch(target + request.url, {
        method: request.method ?? 'GET',
        headers: { authorization: request.headers.authorization ?? '' },
        ...(body.length === 0 ? {} : { body }),
      });
      response.writeHead(answer.status).end(await answer.text());
    });
  }

  static async to(target: string): Promise<Gateway> {
    const gateway = new Gateway(target);
    await new Promise<void>((resolve) => gateway.#server.listen(0, '127.0.0.1', resolve));
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function register(): Promise<{ service_id: number; ping_key: string }> {
  const service = { heartbeat_name: 'backup', service_name: 'Backup', alert_interval: 60 };
  return (await medic.call('POST', '/v2/services', service)).body.results;
}

const job = (script: string, ...options: string[]) => ['run', 'backup', ...options, '--', 'sh', '-c', script];
const listed = async (what: string) =>
  (await medic.call('GET', `/v2/services/1/${what}`)).body.results.entries;

test('a job is one run with its output, by API and by ping key alike', async () => {
  const { ping_key } = await register();
  expect(await terminal.run(job('echo copied'))).toMatchObject({ code: 0, stderr: '' });
  medic.clock.advance(1_000);
  const env = { MEDIC_PING_KEY: ping_key };
  expect(await terminal.run(job('echo again; exit 3'), { env })).toMatchObject({ code: 3, stderr: '' });

  expect(await listed('runs')).toMatchObject([
    { status: 'FAILED', completed_at: '2040-03-01T12:00:01.000Z' },
    { status: 'COMPLETED', completed_at: START },
  ]);
  expect(await listed('heartbeats')).toMatchObject([
    { status: 'FAILED', source: 'ping', message: 'exit code 3\nagain\n' },
    { status: 'STARTED', source: 'ping', message: null },
    { status: 'COMPLETED', source: 'signal', message: 'copied\n' },
    { status: 'STARTED', source: 'signal', message: null },
  ]);
});

test('a job that fails pages with its exit code and the end of its output', async () => {
  await register();
  await terminal.run(job('for i in $(seq 2000); do echo "line $i"; done; exit 2'));
  await medic.settle();
  const [alert] = (await medic.call('GET', '/v2/alerts')).body.results.entries;
  expect(alert).toMatchObject({ reason: 'job_failed', active: true });
  expect(alert.last_message).toMatch(/^exit code 2\n/);
  expect(alert.last_message).toMatch(/line 1999\nline 2000\n$/);
  await terminal.run(job('true'));
  await medic.settle();
  expect((await medic.call('GET', '/v2/alerts?active=true')).body.results.entries).toEqual([]);
});

test('what was kept while Medic was away arrives in order and bends no statistics', async () => {
  await register();
  gateway.away = true;
  await terminal.run(job('exit 1'));
  gateway.away = false;
  expect(await terminal.run(job('true'))).toMatchObject({ code: 0, stderr: '' });

  const events = await listed('heartbeats');
  expect(events.map(({ status }: { status: string }) => status)).toEqual([
    'COMPLETED',
    'STARTED',
    'FAILED',
    'STARTED',
  ]);
  expect(events[2].message).toMatch(
    /^delayed: happened at 20\S+Z, after 0\.\d{3} s \(run [0-9a-f-]{36}\)\nexit code 1$/,
  );
  const runs = await listed('runs');
  expect(runs.find(({ status }: { status: string }) => status === 'FAILED').duration_ms).toBeNull();
  await medic.settle();
  expect((await medic.call('GET', '/v2/alerts?active=true')).body.results.entries).toEqual([]);
});

test('--create registers a service on first use and leaves it alone afterwards', async () => {
  const options = ['--create', '--service', 'Nightly', '--interval', '1440', '--grace', '10m'];
  expect(await terminal.run(job('true', ...options))).toMatchObject({ code: 0, stderr: '' });
  expect((await medic.call('GET', '/v2/services/1')).body.results).toMatchObject({
    heartbeat_name: 'backup',
    service_name: 'Nightly',
    alert_interval: 1440,
    grace_period_seconds: 600,
    last_status: 'COMPLETED',
  });
  await terminal.run(job('true', ...options));
  expect(await listed('runs')).toHaveLength(2);

  const cron = [
    'run',
    'report',
    '--create',
    '--cron',
    '0 2 * * *',
    '--timezone',
    'Europe/Berlin',
    '--',
    'true',
  ];
  expect(await terminal.run(cron)).toMatchObject({ code: 0, stderr: '' });
  expect((await medic.call('GET', '/v2/services/2')).body.results).toMatchObject({
    mode: 'cron',
    expected_cron: '0 2 * * *',
    expected_timezone: 'Europe/Berlin',
    service_name: 'report',
  });
});

test('two first runs at once register one service and report both', async () => {
  const options = ['--create', '--interval', '5'];
  const ended = await Promise.all([1, 2, 3].map(() => terminal.run(job('true', ...options))));
  expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(3).fill({ code: 0, stderr: '' }));
  expect(await listed('runs')).toHaveLength(3);
});

test('an inactive service, and a ping key that nobody has, are told and nothing is kept', async () => {
  await register();
  await medic.call('PATCH', '/v2/services/1', { active: false });
  const inactive = await terminal.run(job('true'));
  expect(inactive.stderr).toMatch(/^medic: start and end of backup not reported: .*inactive\n$/);
  const env = { MEDIC_PING_KEY: '00000000-0000-4000-8000-000000000000' };
  const unknown = await terminal.run(job('true'), { env });
  expect(unknown.stderr).toBe('medic: start and end of backup not reported: the ping key is not known\n');
  expect([inactive.code, unknown.code]).toEqual([0, 0]);
  expect(terminal.kept).toEqual([]);
});
