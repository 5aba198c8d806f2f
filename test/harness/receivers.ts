import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** How a receiver answers; `hang`: not at all. */
export type Answer = { status: number; body: string; headers?: Record<string, string> } | 'hang';

/** An HTTP server that records what it is sent and answers as it is told. */
export class Receiver {
  readonly received: Received[] = [];
  answer: (request: Received) => Answer;
  readonly #server: Server;

  constructor(answer: (request: Received) => Answer) {
    this.answer = answer;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const received = {
          method: request.method ?? '',
          path: request.url ?? '',
          headers: request.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        };
        this.received.push(received);
        const answer = this.answer(received);
        if (answer === 'hang') return;
        response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
        response.end(answer.body);
      });
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts every exchange that is under way. */
  disconnect(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A Slack that posts every message. */
export class FakeSlack extends Receiver {
  constructor() {
    super(() => ({
      status: 200,
      body: JSON.stringify({ ok: true, ts: '1700000000.000100', channel: 'C1' }),
    }));
  }

  /** The texts that were posted, with their channel. */
  get messages(): { channel: string; text: string }[] {
    return this.received.map(({ body }) => {
      const form = new URLSearchParams(body);
      return { channel: form.get('channel') ?? '', text: form.get('text') ?? '' };
    });
  }
}

export interface PagerDutyEvent {
  routing_key: string;
  event_action: 'trigger' | 'acknowledge' | 'resolve';
  dedup_key: string;
  payload?: Record<string, unknown> & { custom_details: Record<string, unknown> };
  [member: string]: unknown;
}

/** A PagerDuty that accepts every event. */
export class FakePagerDuty extends Receiver {
  constructor() {
    super(() => ({ status: 202, body: JSON.stringify({ status: 'success', message: 'Event processed' }) }));
  }

  get events(): PagerDutyEvent[] {
    return this.received.map(({ body }) => JSON.parse(body) as PagerDutyEvent);
  }
}
