import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { ResponseHeaders } from './headers.ts';

/** After the refusal of a connection, the time in which its other side may read it and close. */
const LINGER_MS = 1_000;

const CLIENT_ERRORS: Record<string, { status: number; text: string; message: string }> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    text: 'Request Header Fields Too Large',
    message: 'The headers are larger than 16 KiB',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    text: 'Request Timeout',
    message: 'The request did not arrive in time',
  },
};

/** Node by itself would answer these without a body, or not at all. */
export function answerWhatNodeRefuses(server: Server, headers: ResponseHeaders): void {
  server.on('connect', (_request, socket: Socket) => {
    refuseConnection(headers, new Error('CONNECT is for proxies'), socket);
  });
  // An expectation that nobody knows may be ignored (RFC 9110 section 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

/** What is not even HTTP is answered in the envelope too, and its connection closed. */
export function refuseConnection(
  { forData }: ResponseHeaders,
  error: Error & { code?: string },
  socket: Socket,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const known = CLIENT_ERRORS[error.code ?? ''] ?? {
    status: 400,
    text: 'Bad Request',
    message: 'The request is not valid HTTP',
  };
  const body = JSON.stringify({ success: false, message: known.message, results: '' });
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
    ...forData,
    'x-request-id': randomUUID(),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${known.status} ${known.text}\r\n${lines.join('')}\r\n${body}`);
  // Its other side may go on sending and never close.
  const linger = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(linger));
}
