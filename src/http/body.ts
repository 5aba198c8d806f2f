import { promisify } from 'node:util';
import { constants, gunzip as gunzipWithCallback } from 'node:zlib';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MedicError } from '../platform/errors.ts';

/** Depth of arrays and objects in a body (spec 05 section 10). */
const MAX_NESTING = 32;

/**
 * Reads every body as JSON, whatever its `Content-Type` says; an empty one counts as `{}`.
 * @param limit bytes of a body, before and after decompression.
 */
export function readJsonBodies(app: FastifyInstance, limit: number): void {
  const parseSafely = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  const parse = (
    request: FastifyRequest,
    body: Buffer,
    done: (error: Error | null, value?: unknown) => void,
  ) => {
    const text = decode(body);
    if (text.trim() === '') return done(null, {});
    // A shorter text cannot be nested deeper, and most are shorter.
    if (text.length > 2 * MAX_NESTING && nesting(text) > MAX_NESTING) {
      throw new MedicError('bad_request', `The body is nested deeper than ${MAX_NESTING} levels`);
    }
    parseSafely(request, text, (error, value) => {
      done(error === null ? null : new MedicError('bad_request', 'The body is not valid JSON'), value);
    });
  };
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const plain = encodingOf(request) === 'gzip' ? unzip(body, limit) : body;
    if (plain instanceof Promise) plain.then((unzipped) => parse(request, unzipped, done)).catch(done);
    else attempt(() => parse(request, plain, done), done);
  });
  // Without Content-Type and length Fastify hands on no body at all; where members are required that is `{}`.
  app.addHook('preValidation', (request: FastifyRequest, _reply, done) => {
    if (request.body === undefined && request.routeOptions.schema?.body !== undefined) request.body = {};
    done();
  });
  app.addHook('onRequest', (request, _reply, done) => {
    // It says nothing here, and Fastify would refuse a malformed one.
    delete request.raw.headers['content-type'];
    done(
      ['', 'identity', 'gzip'].includes(encodingOf(request))
        ? undefined
        : new MedicError(
            'unsupported_media_type',
            'Only the Content-Encodings identity and gzip are supported',
          ),
    );
  });
}

/** Hands on what `work` throws. */
function attempt(work: () => void, failed: (error: Error) => void): void {
  try {
    work();
  } catch (error) {
    failed(error as Error);
  }
}

/** Within `scope`, hands bodies on as text, for routes that decide themselves what one that is not JSON means. */
export function readTextBodies(scope: FastifyInstance, limit: number): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    const plain = encodingOf(request) === 'gzip' ? await unzip(body, limit) : body;
    return plain.toString('utf8');
  });
}

/**
 * Within `scope`, keeps the first `bytes` of a body as text, whatever its type, and reads the rest to nowhere. Invalid
 * UTF-8 is replaced; a character that the cut splits is left out, and so is what gzip cannot read.
 */
export function keepFirstBytes(scope: FastifyInstance, bytes: number): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (request, payload, done) => {
    const isZipped = encodingOf(request) === 'gzip';
    // What gzip makes of a short text is hardly longer than the text.
    const needed = isZipped ? 2 * bytes : bytes;
    const kept: Buffer[] = [];
    let size = 0;
    payload.on('data', (chunk: Buffer) => {
      if (size < needed) kept.push(chunk.subarray(0, needed - size));
      size += chunk.length;
    });
    payload.on('error', () => done(new MedicError('bad_request', 'The body did not arrive')));
    const keep = (start: Buffer) => {
      const isCut = size > needed || start.length > bytes;
      // As a stream that goes on, so that a split last character is held back instead of replaced.
      done(null, new TextDecoder('utf-8').decode(start.subarray(0, bytes), { stream: isCut }));
    };
    payload.on('end', () => {
      const start = Buffer.concat(kept);
      if (isZipped) unzipStart(start).then(keep);
      else keep(start);
    });
  });
}

/** What the start of a gzip body holds, which for lack of its end is never known to be whole. */
async function unzipStart(start: Buffer): Promise<Buffer> {
  return gunzip(start, { finishFlush: constants.Z_SYNC_FLUSH }).catch(() => Buffer.alloc(0));
}

function encodingOf(request: FastifyRequest): string {
  return request.headers['content-encoding']?.trim().toLowerCase() ?? '';
}

const gunzip = promisify(gunzipWithCallback);

async function unzip(body: Buffer, limit: number): Promise<Buffer> {
  if (body.length === 0) return body;
  try {
    return await gunzip(body, { maxOutputLength: limit });
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new MedicError('payload_too_large', 'The decompressed body is larger than 1 MiB');
    }
    throw new MedicError('bad_request', 'The body is not valid gzip');
  }
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
