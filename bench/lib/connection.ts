import net from 'node:net';

const READ_BYTES = 16 * 1024;

/**
 * One keep-alive connection with at most one request on its way. A whole HTTP client costs as much as the server that
 * is measured; this reads no more of an answer than its status and where it ends.
 */
export class Connection {
  readonly #socket: net.Socket;
  readonly #onAnswer: (status: number, connection: Connection) => void;
  #rest = '';
  /** For the caller: when the request on its way was due. */
  since = 0;
  /** For the caller: which kind of request is on its way. */
  kind = 0;

  private constructor(
    port: number,
    onAnswer: (status: number, connection: Connection) => void,
    localAddress: string | undefined,
  ) {
    this.#onAnswer = onAnswer;
    this.#socket = net.connect({
      host: '127.0.0.1',
      port,
      ...(localAddress === undefined ? {} : { localAddress }),
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(READ_BYTES),
        callback: (bytes, buffer) => {
          this.#read((buffer as Buffer).toString('latin1', 0, bytes));
          return true;
        },
      },
    });
  }

  /**
   * @param onBroken the connection ended while it was in use; an answer may be missing.
   * @param localAddress of the loopback network, to come from.
   */
  static open(
    port: number,
    onAnswer: (status: number, connection: Connection) => void,
    onBroken: () => void,
    localAddress?: string,
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const connection = new Connection(port, onAnswer, localAddress);
      const socket = connection.#socket;
      socket.once('connect', () => resolve(connection));
      socket.on('error', reject);
      socket.on('close', onBroken);
    });
  }

  send(request: Buffer): void {
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #read(text: string): void {
    const answer = this.#rest === '' ? text : this.#rest + text;
    const head = answer.indexOf('\r\n\r\n');
    const length = head === -1 ? null : /\r\ncontent-length: (\d+)/i.exec(answer);
    if (length === null || answer.length < head + 4 + Number(length[1])) {
      this.#rest = answer;
      return;
    }
    this.#rest = '';
    this.#onAnswer(Number(answer.slice(9, 12)), this);
  }
}

/** A heartbeat as it goes over the wire. */
export function heartbeatRequest(heartbeatName: string, key?: string): Buffer {
  const body = JSON.stringify({ heartbeat_name: heartbeatName, status: 'UP' });
  return Buffer.from(
    `POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
      (key === undefined ? '' : `Authorization: Bearer ${key}\r\n`) +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** A small question that needs a key. */
export function whoRequest(key: string): Buffer {
  return Buffer.from(`GET /v2/session HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\n\r\n`);
}
