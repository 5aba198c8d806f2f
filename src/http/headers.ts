import type { FastifyReply, FastifyRequest } from 'fastify';

/** A header line of every answer (spec 05 section 10), by its name in lower case. */
type Headers = Readonly<Record<string, string>>;

/**
 * Clothes answers in the headers of spec 05 section 10. What a route sets itself wins.
 * @param baseUrl `MEDIC_BASE_URL`: with https, browsers are told to stay with it.
 */
export class ResponseHeaders {
  /** For data, and for whatever is not a page. */
  readonly forData: Headers;
  /** For the dashboard and the documentation. */
  readonly forPages: Headers;

  constructor(baseUrl: string) {
    const everywhere = {
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
      ...(new URL(baseUrl).protocol === 'https:' ? { 'strict-transport-security': 'max-age=31536000' } : {}),
    };
    this.forData = { ...everywhere, 'content-security-policy': "default-src 'none'; frame-ancestors 'none'" };
    this.forPages = { ...everywhere, 'content-security-policy': PAGES };
  }

  /** Before anything else happens to the request, so that every answer to it has them. */
  apply(request: FastifyRequest, reply: FastifyReply): void {
    reply.headers(PAGE.test(request.raw.url ?? '') ? this.forPages : this.forData);
    reply.header('x-request-id', request.id);
  }
}

const PAGES = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** `/`, `/ui…` and `/docs…`, by whole segments. */
const PAGE = /^\/(?:(?:ui|docs)(?:[/?]|$)|\?|$)/;
