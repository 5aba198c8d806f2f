import { createServer, type Server } from 'node:http';
import type net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Outcome } from '../../src/features/notifications/channels/channel.ts';
import { factsWith } from '../harness/facts.ts';
import { rawServer } from '../harness/raw-server.ts';
import { type Answer, Receiver } from '../harness/receivers.ts';
import { BEDS, mailServer, SECRET, tryOut } from './beds.ts';

vi.setConfig({ testTimeout: 60_000 });

const FACTS = factsWith((member) => `the ${member}`);
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

const names = Object.keys(BEDS);
const overHttp = names.filter((name) => name !== 'email');
const bedOf = (name: string) => BEDS[name] as (typeof BEDS)[string];
const portOf = (url: string) => Number(new URL(url).port);

async function receiver(answer: (request: { headers: object; body: string; path: string }) => Answer) {
  const server = new Receiver(answer);
  await server.listen();
  closers.push(() => server.close());
  return server;
}

async function raw(serve: (socket: net.Socket) => void): Promise<number> {
  const server = await rawServer(serve);
  closers.push(server.close);
  return server.port;
}

/** Nothing that is told of an attempt shows a credential, in any of the usual forms. */
function expectDiscreet(outcome: Outcome, tried: ReturnType<typeof tryOut>): void {
  const told = JSON.stringify([outcome, tried.destination, tried.stored, tried.lines]);
  for (const form of [SECRET, encodeURIComponent(SECRET), Buffer.from(SECRET).toString('base64')]) {
    expect(told).not.toContain(form);
  }
}

test('every channel is tried', () => {
  const { channel } = tryOut(bedOf('slack'), 1);
  expect(channel.name).toBe('slack');
  expect([...new Set(Object.values(BEDS).map((bed) => bed.channel))]).toEqual([
    'slack',
    'pagerduty',
    'webhook',
    'email',
    'chat',
  ]);
});

describe.each(names)('%s', (name) => {
  const bed = bedOf(name);

  test('describes its destinations: what it takes is sent, credentials are none of what is shown', () => {
    const { address } = bed.at(4711);
    const { channel, stored, destination } = tryOut(bed, 4711);
    expect(channel.waitsSeconds.length).toBeGreaterThanOrEqual(3);
    for (const member of [...channel.target.credentials, ...channel.target.urls]) {
      const known = [...Object.keys(channel.target.schema.properties), 'routing_key'];
      expect(known).toContain(member);
    }
    expect(channel.target.schema).toMatchObject({ additionalProperties: false });
    expect(destination).not.toBe('');
    expect(JSON.stringify([destination, stored])).not.toContain(SECRET);
    expect(channel.target.identityOf(address)).not.toBe('');
  });

  test('a receiver that cannot be reached, resets or talks nonsense is tried again', async () => {
    const closed = await rawServer(() => {});
    await closed.close();
    const ports = {
      refused: closed.port,
      reset: await raw((socket) => socket.resetAndDestroy()),
      ended: await raw((socket) => socket.end()),
      garbage: await raw((socket) => socket.end('\u0000\u0001 nonsense \r\n\r\n\r\n')),
      halfAnswer: await raw((socket) => socket.once('data', () => socket.end('HTTP/1.1 20'))),
    };
    for (const [what, port] of Object.entries(ports)) {
      const tried = tryOut(bed, port);
      const outcome = await tried.send(FACTS);
      expect(outcome, what).toMatchObject({ kind: 'retry' });
      if (outcome.kind !== 'sent') expect(outcome.error, what).toMatch(/^[a-zA-Z0-9 -]{3,60}$/);
      expectDiscreet(outcome, tried);
    }
  });
});

describe.each(overHttp)('%s', (name) => {
  const bed = bedOf(name);
  const toCaller = name !== 'slack' && name !== 'pagerduty';
  const success: Record<string, Answer> = {
    slack: { status: 200, body: '{"ok":true,"ts":"1.2"}' },
    pagerduty: { status: 202, body: '{"status":"success"}' },
  };

  const answers: [number | 'success', string | undefined, Outcome['kind'], boolean?, number?][] = [
    ['success', undefined, 'sent'],
    [301, undefined, 'retry'],
    [302, undefined, 'retry'],
    [400, undefined, toCaller ? 'retry' : 'failed'],
    [401, undefined, toCaller ? 'retry' : 'failed', true],
    [403, undefined, toCaller ? 'retry' : 'failed'],
    [404, undefined, toCaller ? 'retry' : 'failed', true],
    [408, undefined, 'retry'],
    [410, undefined, toCaller ? 'retry' : 'failed', true],
    [425, undefined, 'retry'],
    [429, '45', 'retry', false, 45],
    [429, '86400', 'retry', false, 600],
    [500, undefined, 'retry'],
    [503, '7', 'retry', false, 7],
    [503, 'nonsense', 'retry'],
  ];
  test.each(answers)(
    'an answer of %s with Retry-After %s: %s',
    async (status, wait, kind, permanent, seconds) => {
      const elsewhere = await receiver(() => ({ status: 200, body: '{"ok":true}' }));
      const headers = {
        location: `${elsewhere.url}/`,
        ...(wait === undefined ? {} : { 'retry-after': wait }),
      };
      const server = await receiver(() =>
        status === 'success' ? (success[name] ?? { status: 204, body: '' }) : { status, body: '{}', headers },
      );
      const outcome = await tryOut(bed, portOf(server.url)).send(FACTS);
      expect(outcome.kind).toBe(kind);
      if (outcome.kind !== 'sent' && permanent === true) expect(outcome.permanent).toBe(true);
      if (outcome.kind === 'retry' && kind === 'retry') expect(outcome.afterSeconds).toBe(seconds);
      expect(server.received).toHaveLength(1);
      expect(elsewhere.received).toHaveLength(0);
    },
  );

  test('a receiver that repeats everything it is sent does not get a credential shown', async () => {
    for (const status of [200, 400, 401, 500]) {
      const server = await receiver(({ headers, body, path }) => {
        const echo = [
          path,
          decodeURIComponent(path),
          body,
          decodeURIComponent(body),
          JSON.stringify(headers),
        ];
        return { status, body: JSON.stringify({ ok: false, error: echo.join(' '), message: echo }) };
      });
      const tried = tryOut(bed, portOf(server.url));
      expectDiscreet(await tried.send(FACTS), tried);
    }
  });

  test('of an answer without end 64 KiB are kept at most', async () => {
    const server: Server = createServer((_request, response) => {
      response.writeHead(500, { 'content-type': 'application/json' });
      const chunk = 'x'.repeat(65_536);
      const more = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more).on('error', () => {});
      more();
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    closers.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const before = process.memoryUsage().rss;
    const outcome = await tryOut(bed, (server.address() as net.AddressInfo).port).send(FACTS);
    expect(outcome.kind).toBe('retry');
    expect((outcome.body ?? '').length).toBeLessThanOrEqual(65_536);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 2 ** 20);
  });

  test('names that try to be markup arrive as text, and change nothing around them', async () => {
    const server = await receiver(() => success[name] ?? { status: 200, body: '{}' });
    const tried = tryOut(bed, portOf(server.url));
    const hostile = [
      '<!channel> <@U1> <http://evil.example|x>',
      '@everyone @here <@&1> [x](http://evil.example) `` ` ``` \n# x\n> y',
      '</td><script>alert(1)</script> &amp; "\' \r\nBcc: victim@example.com',
      '{"a":1} $& \\" \u2028 \u202e abc \u0007',
    ];
    await tried.send(factsWith(() => 'plain'));
    for (const text of hostile) await tried.send(factsWith(() => text));
    const [plain, ...others] = server.received.map(({ body }) => skeletonOf(name, body));
    for (const other of others) expect(other).toBe(plain);
  });
});

/** The message without the places that texts of users may fill. */
function skeletonOf(name: string, body: string): string {
  if (name === 'slack') {
    const text = new URLSearchParams(body).get('text') ?? '';
    const ours = '<https://medic.example.com/ui/alerts/7|Alert 7>';
    const tags = text.replace(ours, '').match(/<[^>]*>/g) ?? [];
    return JSON.stringify([tags, (text.split('Last heartbeat')[0] ?? '').replaceAll(/`[^`\n]*`/g, '``')]);
  }
  const json = JSON.parse(body) as unknown;
  if (name === 'discord' || name === 'mattermost') {
    const { content, text, ...rest } = json as { content?: string; text?: string };
    return JSON.stringify([rest, (content ?? text ?? '').replaceAll(/`[^`\n]*`/g, '``')]);
  }
  // In JSON a text stays in its member: the same members, and no text but ours outside of them.
  return JSON.stringify(json, (member, value) =>
    typeof value === 'string' && (name !== 'teams' || member === 'text') ? '' : value,
  );
}

test('no channel takes longer than 30 s, however the receiver dawdles', async () => {
  const silent = await raw((socket) => socket.resume());
  const dripping = await raw((socket) => {
    socket.resume();
    socket.write('HTTP/1.1 200 OK\r\n');
    const timer = setInterval(() => socket.write(socket.bytesWritten % 2 === 0 ? 'x' : 'yy'), 500);
    socket.once('close', () => clearInterval(timer));
  });
  const polite = await raw((socket) => {
    const timer = setInterval(() => socket.write('220-wait\r\n'), 500);
    socket.resume().once('close', () => clearInterval(timer));
  });
  const slowBody = await raw((socket) => {
    socket.resume();
    socket.write('HTTP/1.1 500 Oops\r\ncontent-length: 1000\r\n\r\n');
    const timer = setInterval(() => socket.write('x'), 500);
    socket.once('close', () => clearInterval(timer));
  });
  const attempts = names.flatMap((name) =>
    [silent, dripping, polite, slowBody].map(async (port) => {
      const started = performance.now();
      const outcome = await Promise.race([tryOut(bedOf(name), port).send(FACTS), sleep(50_000)]);
      return { name, port, outcome, ms: performance.now() - started };
    }),
  );
  for (const { name, outcome, ms } of await Promise.all(attempts)) {
    expect(outcome, name).toMatchObject({ kind: 'retry' });
    expect(ms, name).toBeLessThan(32_000);
  }
});

describe('email', () => {
  const bed = bedOf('email');

  test('is sent as text and as escaped HTML, with one id for all attempts, and nobody slips into its headers', async () => {
    const server = await mailServer();
    closers.push(server.close);
    const tried = tryOut(bed, server.port);
    const hostile = 'x\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>';
    expect(await tried.send(factsWith(() => hostile))).toMatchObject({ kind: 'sent', code: 250 });
    const [mail = ''] = server.mails;
    const head = mail.slice(0, mail.indexOf('\r\n\r\n'));
    expect(head).toMatch(/^Message-ID: <d-1@medic\.example\.com>$/im);
    expect(head).toMatch(/^To: sre@example\.com, boss@example\.com$/im);
    expect(head).not.toMatch(/^bcc:/im);
    expect(head).toMatch(/^References: <alert-7@medic\.example\.com>$/im);
    const html = mail.slice(mail.indexOf('Content-Type: text/html'));
    expect(html).toContain('&lt;script&gt;');
    expect(html).not.toContain('<script>');
    expect(tried.lines).toEqual([]);
  });

  test('passes on the password of the address, and shows it to nobody when it is refused', async () => {
    let given = '';
    const server = await mailServer({
      onAuth: (password) => {
        given = password;
        return Object.assign(new Error(`${password} is wrong`), { responseCode: 535 });
      },
    });
    closers.push(server.close);
    const tried = tryOut(bed, server.port);
    const outcome = await tried.send(FACTS);
    expect(given).toBe(SECRET);
    expect(outcome).toMatchObject({ kind: 'failed', code: 535, error: 'answered 535', permanent: true });
    expectDiscreet(outcome, tried);
  });

  test.each([
    [421, 'retry'],
    [452, 'retry'],
    [550, 'failed'],
  ])('an answer of %d: %s', async (responseCode, kind) => {
    const server = await mailServer({ onMail: () => Object.assign(new Error('no'), { responseCode }) });
    closers.push(server.close);
    expect(await tryOut(bed, server.port).send(FACTS)).toMatchObject({ kind, code: responseCode });
  });

  test('a line without end is not kept', async () => {
    const port = await raw((socket) => {
      const chunk = Buffer.alloc(65_536, 'x');
      const more = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.resume().on('drain', more);
      more();
    });
    expect(await tryOut(bed, port).send(FACTS)).toMatchObject({ kind: 'retry' });
  });

  test('without a server nothing is sent, and routing can know', async () => {
    const tried = tryOut({ ...bed, at: (port) => ({ ...bed.at(port), environment: {} }) }, 1);
    expect(tried.channel.unavailable).toBe('no SMTP server is configured');
    expect(await tried.send(FACTS)).toMatchObject({ kind: 'failed', error: 'no SMTP server is configured' });
  });
});
