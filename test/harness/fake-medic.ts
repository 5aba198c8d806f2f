import { type Answer, Receiver } from './receivers.ts';

export interface Told {
  name: string;
  kind: string;
  runId: string | null;
  message: string | null;
}

/** Answers as Medic does (specs 01 and 02), or as badly as a test wants: the real one cannot be made to fail at will. */
export class FakeMedic extends Receiver {
  readonly services = new Map<string, number>();
  /** Answers instead, where it has an answer. */
  trouble: (path: string) => Answer | undefined = () => undefined;

  constructor(...names: string[]) {
    super((request) => this.trouble(request.path) ?? this.#answer(request));
    for (const name of names) this.services.set(name, this.services.size + 1);
  }

  /** The signals that were received, whatever became of them. */
  get told(): Told[] {
    return this.received.flatMap(({ path, body }) => {
      const [route = '', query] = path.split('?');
      const signal = /^\/v2\/heartbeat\/(\d+)\/(\w+)$/.exec(route);
      if (signal !== null) {
        const { run_id = null, message = null } = JSON.parse(body);
        return [{ name: this.#nameOf(Number(signal[1])), kind: signal[2] ?? '', runId: run_id, message }];
      }
      const ping = /^\/ping\/([^/]+)\/(\w+)$/.exec(route);
      if (ping !== null) {
        const runId = new URLSearchParams(query).get('run_id');
        return [{ name: ping[1] ?? '', kind: ping[2] ?? '', runId, message: body || null }];
      }
      if (route === '/heartbeat') {
        const { heartbeat_name, status, run_id = null, message = null } = JSON.parse(body);
        return [{ name: heartbeat_name, kind: status, runId: run_id, message }];
      }
      return [];
    });
  }

  /** Such as `backup start`. */
  get story(): string[] {
    return this.told.map(({ name, kind }) => `${name} ${kind}`);
  }

  #nameOf(id: number): string {
    return [...this.services].find(([, known]) => known === id)?.[0] ?? `?${id}`;
  }

  #answer({ method, path, body }: { method: string; path: string; body: string }): Answer {
    const [route = ''] = path.split('?');
    if (route.startsWith('/ping/'))
      return { status: 200, body: 'OK', headers: { 'content-type': 'text/plain' } };
    if (method === 'GET' && route.startsWith('/service/')) {
      const id = this.services.get(decodeURIComponent(route.slice('/service/'.length)));
      return envelope(200, id === undefined ? [] : [{ service_id: id }]);
    }
    if (method === 'POST' && route === '/v2/services') {
      const { heartbeat_name } = JSON.parse(body);
      this.services.set(heartbeat_name, this.services.size + 1);
      return envelope(201, { service_id: this.services.size, heartbeat_name });
    }
    return envelope(201, {});
  }
}

export function envelope(status: number, results: unknown, message = ''): Answer {
  return { status, body: JSON.stringify({ success: status < 300, message, results }) };
}
