import { constants } from 'node:os';

/** Of a message the server keeps this many bytes from its beginning; what we send is cut to fit, from its own. */
export const MESSAGE_BYTES = 10_240;

/** How a command ended. `exit` is the code that a shell would tell. */
export interface End {
  exit: number;
  signal?: NodeJS.Signals;
  /** Why it was not even started. */
  notStarted?: string;
  /** The time limit, as it was given, after which it was killed. */
  timedOut?: string;
}

export function exitOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

export function hasFailed(end: End): boolean {
  return end.exit !== 0 || end.timedOut !== undefined;
}

/** What is reported at the end: for a failure its exit code, and in any case the end of the output. */
export function endMessage(end: End, output: Uint8Array): string | null {
  if (!hasFailed(end)) return output.length === 0 ? null : bounded('', output);
  const signal = end.signal === undefined ? '' : ` (${end.signal})`;
  const timeout = end.timedOut === undefined ? '' : `, timed out after ${end.timedOut}`;
  const reason = end.notStarted === undefined ? '' : `: ${end.notStarted}`;
  return bounded(`exit code ${end.exit}${signal}${timeout}${reason}`, output);
}

/** What an event that could not be told in time looks like: no interface of the server takes an earlier time. */
export function delayedMessage(
  event: { at: string; runId: string; durationMs: number | undefined },
  message: string | null,
): string {
  const duration = event.durationMs === undefined ? '' : `, after ${(event.durationMs / 1000).toFixed(3)} s`;
  const text = new TextEncoder().encode(message ?? '');
  return bounded(`delayed: happened at ${event.at}${duration} (run ${event.runId})`, text);
}

/** `head`, and below it as much of the end of `output` as fits, read as UTF-8 without NUL. */
function bounded(head: string, output: Uint8Array): string {
  const first = head === '' || output.length === 0 ? head : `${head}\n`;
  const room = MESSAGE_BYTES - Buffer.byteLength(first);
  // Bytes that are no UTF-8 grow when they are read: read first, cut then.
  const text = Buffer.from(
    Buffer.from(wholeCharacters(output)).toString('utf8').replaceAll('\0', ''),
    'utf8',
  );
  return (
    first + Buffer.from(wholeCharacters(text.subarray(Math.max(0, text.length - room)))).toString('utf8')
  );
}

/** Without the rest of a character that was cut at the beginning: bytes 10xxxxxx continue one. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start);
}

/** The last bytes of a stream. */
export class Tail {
  #bytes = Buffer.alloc(0);

  add(chunk: Uint8Array): void {
    // Copied, because what is kept must not hold on to the much larger buffer of the reader.
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(-MESSAGE_BYTES)]);
    if (this.#bytes.length > MESSAGE_BYTES) this.#bytes = this.#bytes.subarray(-MESSAGE_BYTES);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }
}
