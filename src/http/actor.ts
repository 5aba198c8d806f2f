import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { actorOf } from './access.ts';

/** Letters, marks, numbers, signs and blanks: nothing that is invisible or turns the direction of a text. */
const PRINTABLE = /^[^\p{C}\p{Zl}\p{Zp}]{1,255}$/u;

/**
 * Whom a caller says that it acts for (`X-Actor`, spec 05 section 10): an annotation, never an identity.
 * @returns 1 to 255 printable characters, trimmed; null when there are none or something else was sent.
 */
export function actorNoteOf({ headers }: { headers: IncomingHttpHeaders }): string | null {
  const given = headers['x-actor'];
  if (typeof given !== 'string') return null;
  try {
    // Node hands on each byte of a header as a character of its own.
    const note = utf8.decode(Buffer.from(given, 'latin1')).trim();
    return PRINTABLE.test(note) ? note : null;
  } catch {
    return null;
  }
}

/** Who makes a change: the proven identity, and what it says about itself. */
export function authorOf(request: FastifyRequest): { actor: string; note: string | null } {
  return { actor: actorOf(request), note: actorNoteOf(request) };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
