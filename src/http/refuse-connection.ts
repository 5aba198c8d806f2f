import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { MedicError } from '../platform/errors.ts';
import type { ResponseHeaders } from './headers.ts';
import type { RateLimits } from './rate-limit.ts';

/** After the refusal of a connection, the time in which its other side may read it and close. */
const LINGER_MS = 1_000;

interface Refusal {
  status: number;
  text: string;
  message: string;
}

const CLIENT_ERRORS: Record<string, Refusal> = {
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
export function answerWhatNodeRefuses(server: Server, headers: ResponseHeaders, limits: RateLimits): void {
  server.on('connect', (_request, socket: Socket) => {
    refuseConnection(headers, limits, new Error('CONNECT is for proxies'), socket);
  });
  // An expectation that nobody knows may be ignored (RFC 9110 section 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

/** What is not even HTTP is answered in the envelope too, and its connection closed. */
export function refuseConnection(
  { forData }: ResponseHeaders,
  limits: RateLimits,
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
  // Node has handed the socket over: nobody else hears of its errors, which would end the process.
  socket.on('error', () => socket.destroy());
  // Its other side may go on sending and never close.
  const linger = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(linger));
  limits.countUnread(socket.remoteAddress, (counted, excess) => {
    const answer = excess === undefined ? known : tooMany(excess);
    const retryAfter = excess?.retryAfter;
    const again = retryAfter === undefined ? {} : { retry_after: retryAfter };
    const body = JSON.stringify({ success: false, message: answer.message, results: '', ...again });
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
      ...forData,
      ...counted,
      ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
      'x-request-id': randomUUID(),
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${answer.status} ${answer.text}\r\n${lines.join('')}\r\n${body}`);
  });
}

function tooMany({ status, message }: MedicError): Refusal {
  return { status, text: 'Too Many Requests', message };
}
