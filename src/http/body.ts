import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MedicError } from '../platform/errors.ts';

/** Depth of arrays and objects in a body (spec 05 section 10). */
const MAX_NESTING = 32;

/** Reads every body as JSON, whatever its `Content-Type` says; an empty one counts as `{}`. */
export function readJsonBodies(app: FastifyInstance): void {
  const parseSafely = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      const text = decode(body);
      if (text.trim() === '') return done(null, {});
      if (nesting(text) > MAX_NESTING) {
        throw new MedicError('bad_request', `The body is nested deeper than ${MAX_NESTING} levels`);
      }
      parseSafely(request, text, (error, value) =>
        error === null
          ? done(null, value)
          : done(new MedicError('bad_request', 'The body is not valid JSON')),
      );
    } catch (error) {
      done(error as Error);
    }
  });
  // Without Content-Type and length Fastify hands on no body at all; where members are required that is `{}`.
  app.addHook('preValidation', (request: FastifyRequest, _reply, done) => {
    if (request.body === undefined && request.routeOptions.schema?.body !== undefined) request.body = {};
    done();
  });
  app.addHook('onRequest', (request, _reply, done) => {
    const encoding = request.headers['content-encoding']?.trim().toLowerCase();
    const plain = encoding === undefined || encoding === '' || encoding === 'identity';
    done(
      plain
        ? undefined
        : new MedicError('unsupported_media_type', 'Only the Content-Encoding identity is supported'),
    );
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new MedicError('bad_request', 'The body is not valid UTF-8');
  }
}

/** The deepest nesting of a JSON text, found without parsing it. */
function nesting(json: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < json.length; index += 1) {
    const character = json.charCodeAt(index);
    if (inString) {
      if (character === BACKSLASH) index += 1;
      else if (character === QUOTE) inString = false;
    } else if (character === QUOTE) inString = true;
    else if (character === OPEN_BRACE || character === OPEN_BRACKET) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (character === CLOSE_BRACE || character === CLOSE_BRACKET) depth -= 1;
  }
  return deepest;
}

const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [34, 92, 123, 125, 91, 93];
