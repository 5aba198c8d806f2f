import type { IncomingMessage } from 'node:http';
import { MedicError } from '../platform/errors.ts';

/**
 * The refusal of a request that two readers could understand in two ways: which host it is for (RFC 9112 section 3.2),
 * or whose credentials it carries. Node by itself takes the first of several and drops the others.
 */
export function ambiguityOf({ httpVersion, rawHeaders }: IncomingMessage): MedicError | undefined {
  let hosts = 0;
  let credentials = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === HOST.length && name.toLowerCase() === HOST) hosts += 1;
    else if (name.length === AUTHORIZATION.length && name.toLowerCase() === AUTHORIZATION) credentials += 1;
  }
  if (hosts > 1) return new MedicError('bad_request', 'The Host header was sent more than once');
  if (credentials > 1)
    return new MedicError('bad_request', 'The Authorization header was sent more than once');
  if (hosts === 0 && httpVersion === '1.1')
    return new MedicError('bad_request', 'The Host header is missing');
  return undefined;
}

const HOST = 'host';
const AUTHORIZATION = 'authorization';
