import { once } from 'node:events';
import net from 'node:net';
import { AUTHORIZATION } from './admin.ts';

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export interface Exchange {
  /** Ends our side after the bytes. */
  end?: boolean;
  /** Longest wait for the server to close, in milliseconds. */
  patienceMs?: number;
}

const EVENT_STREAM = /^HTTP.{1,2000}content-type: text\/event-stream/is;

/**
 * Sends bytes over a connection of its own and reads until the server closes it, or until patience ends.
 * @returns what arrived, and whether the server closed.
 */
export async function exchange(
  url: string,
  bytes: string | Buffer,
  { end = false, patienceMs = 3_000 }: Exchange = {},
): Promise<{ text: string; closed: boolean }> {
  const { hostname, port } = new URL(url);
  const socket = net.connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  socket.on('error', () => {});
  await once(socket, 'connect');
  const closed = new Promise<boolean>((resolve) => {
    socket.once('end', () => resolve(true));
    // An event stream goes on for ever: its beginning is its answer.
    socket.on('data', () => {
      if (EVENT_STREAM.test(String(chunks[0]))) resolve(true);
    });
    socket.once('close', () => resolve(true));
    setTimeout(() => resolve(false), patienceMs).unref();
  });
  if (end) socket.end(bytes);
  else socket.write(bytes);
  const outcome = await closed;
  socket.destroy();
  return { text: Buffer.concat(chunks).toString('latin1'), closed: outcome };
}

/**
 * The answers in what a connection sent, one after the other. Answers to HEAD have no body, except that to headers which
 * were too large to read the method from.
 */
export function answersIn(text: string, head = false): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) throw new Error(`not an HTTP answer: ${JSON.stringify(rest.slice(0, 200))}`);
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
    // What comes in chunks is the last answer here; its chunks are not taken apart.
    const chunked = headers['transfer-encoding'] === 'chunked' ? rest.length : 0;
    const length = head && status !== 431 ? 0 : Number(headers['content-length'] ?? chunked);
    answers.push({ status, headers, body: rest.slice(end + 4, end + 4 + length) });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

/** One request by an admin, unless the headers say otherwise, that asks for the connection to be closed after its answer. */
export async function request(
  url: string,
  method: string,
  target: string,
  headers: readonly string[] = [],
  body: string | Buffer = '',
): Promise<RawAnswer> {
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: medic', 'Connection: close', ...headers];
  if (!headers.some((line) => /^authorization:/i.test(line))) lines.push(`Authorization: ${AUTHORIZATION}`);
  if (body.length > 0 && !headers.some((line) => /^(content-length|transfer-encoding):/i.test(line))) {
    lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  }
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)]);
  const { text, closed } = await exchange(url, bytes, { patienceMs: 10_000 });
  const [answer, ...more] = answersIn(text, method === 'HEAD');
  if (answer === undefined || more.length > 0 || !closed) {
    throw new Error(
      `${method} ${target}: ${closed ? 'closed' : 'hanging'}, ${JSON.stringify(text.slice(0, 500))}`,
    );
  }
  return answer;
}
