import { AUTHORIZATION } from './admin.ts';

export interface Received {
  id: number;
  event: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every shape
  data: { type: string; id: number; occurred_at: string; data: any };
}

export interface SourceOptions {
  types?: string;
  lastEventId?: string | number;
  /** Null: none is sent. */
  authorization?: string | null;
  cookie?: string;
}

/** A reader of the event stream, by the rules of server-sent events. */
export class EventSource {
  readonly events: Received[] = [];
  comments = 0;
  /** The position that a browser would resume from. */
  lastEventId = '';
  /** Resolves when the connection has ended, with whether that was in order. */
  readonly ended: Promise<'ended' | 'broken'>;
  readonly #response: Response;
  readonly #abort: AbortController;
  #wake = () => {};

  private constructor(response: Response, abort: AbortController) {
    this.#response = response;
    this.#abort = abort;
    this.ended = this.#read();
  }

  static async open(url: string, options: SourceOptions = {}): Promise<EventSource> {
    const { types, lastEventId, authorization = AUTHORIZATION, cookie } = options;
    const abort = new AbortController();
    const response = await fetch(`${url}/v2/events${types === undefined ? '' : `?types=${types}`}`, {
      signal: abort.signal,
      headers: {
        ...(authorization === null ? {} : { authorization }),
        accept: 'text/event-stream',
        ...(cookie === undefined ? {} : { cookie }),
        ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }),
      },
    });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    return new EventSource(response, abort);
  }

  get headers(): Headers {
    return this.#response.headers;
  }

  /** Waits until what was received satisfies a condition. @returns all that was received. */
  async until(enough: (events: Received[]) => boolean, ms = 5_000): Promise<Received[]> {
    const late = performance.now() + ms;
    while (!enough(this.events)) {
      const left = late - performance.now();
      if (left <= 0) {
        const seen = this.events.slice(-20).map(({ id, event }) => `${id} ${event}`);
        throw new Error(`not within ${ms} ms; received: ${seen.join(', ')}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.events;
  }

  /** The names of the events about one object, in order. */
  about(member: 'service_id' | 'alert_id', id: number): string[] {
    return this.events.filter(({ data }) => data.data?.[member] === id).map(({ event }) => event);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.ended;
  }

  async #read(): Promise<'ended' | 'broken'> {
    let rest = '';
    try {
      const decoder = new TextDecoder();
      for await (const chunk of this.#response.body ?? []) {
        rest += decoder.decode(chunk, { stream: true });
        const blocks = rest.split('\n\n');
        rest = blocks.pop() ?? '';
        blocks.forEach((block) => {
          this.#take(block);
        });
        this.#wake();
      }
      return 'ended';
    } catch {
      return 'broken';
    } finally {
      this.#wake();
    }
  }

  #take(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const [, name = '', value = ''] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
      if (name === '') this.comments += 1;
      else fields.set(name, value);
    }
    this.lastEventId = fields.get('id') ?? this.lastEventId;
    const data = fields.get('data');
    if (data === undefined) return;
    this.events.push({
      id: Number(fields.get('id')),
      event: fields.get('event') ?? '',
      data: JSON.parse(data),
    });
  }
}
