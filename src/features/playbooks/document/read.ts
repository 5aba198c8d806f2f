import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';
import { MAX_ALIAS_EXPANSIONS, MAX_NESTING, MAX_TEXT_BYTES } from '../limits.ts';
import { type Findings, member, type PlaceOf } from './findings.ts';
import type { Mapping, Scalar, Value } from './value.ts';

/** What cannot be stored, or never belongs into a text that people read. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]|\p{Cs}/u;
const UNSTORABLE = /\0|\p{Cs}/u;

const LONGEST_MESSAGE = 200;

const OPTIONS = {
  version: '1.2',
  resolveKnownTags: false,
  // Keys are compared below: the library compares each with each.
  uniqueKeys: false,
  // They would quote the text for each error.
  prettyErrors: false,
  logLevel: 'error',
} as const;

/**
 * The library makes an error for each thing that is wrong, and nobody sees their stack traces: without, 256 KiB of
 * closing brackets took 0.5 s instead of 3.1 s on a busy machine.
 */
function withoutTraces<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** A text as values with their places. `root` is undefined when it cannot be read as one. */
export interface Reading {
  root: Value | undefined;
  placeOf: PlaceOf;
}

/**
 * Reads YAML 1.2 (spec 06 section 1). Never throws; what is wrong is told to `findings`.
 * Its time is about that of splitting the text into tokens: nothing in it grows faster than the text.
 */
export function readYaml(text: string, findings: Findings): Reading {
  const lines = new LineCounter();
  const placeOf: PlaceOf = (at) => {
    const { line, col } = lines.linePos(at);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const nothing = { root: undefined, placeOf };
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    findings.error(0, '', `is larger than ${MAX_TEXT_BYTES / 1024} KiB`);
    return nothing;
  }
  const forbidden = FORBIDDEN.exec(text);
  if (forbidden !== null) {
    lines.addNewLine(0);
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
    findings.error(forbidden.index, '', 'has a character that is not allowed');
    return nothing;
  }
  const document = withoutTraces(() => parseDocument(text, { ...OPTIONS, lineCounter: lines }));
  const { explicit, version } = document.directives?.yaml ?? {};
  if (explicit === true && version !== '1.2') findings.error(0, '', 'must be YAML 1.2');
  for (const { pos, message } of [...document.errors, ...document.warnings]) {
    // Some messages quote what they are about, however long it is.
    findings.error(pos[0], '', message.slice(0, LONGEST_MESSAGE).toWellFormed());
  }
  if (findings.failed) return nothing;
  if (document.contents === null) {
    findings.error(0, '', 'is empty');
    return nothing;
  }
  try {
    return { root: new Walk(findings).value(document.contents, '', 0), placeOf };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    findings.error(error.at, error.path, error.message);
    return nothing;
  }
}

/** Going on would not end, or not be worth it. */
class Unreadable extends Error {
  readonly at: number;
  readonly path: string;

  constructor(at: number, path: string, message: string) {
    super(message);
    this.at = at;
    this.path = path;
  }
}

/** One way through a document, in the order of its text: an alias means the nearest anchor before it. */
class Walk {
  readonly #findings: Findings;
  readonly #anchors = new Map<string, Node>();
  /** What an alias meant when it was first met. */
  readonly #meant = new Map<Node, Node>();
  /** What is being walked through now: an alias to it would never end. */
  readonly #open = new Set<Node>();
  #expansions = 0;
  #expanded = 0;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  value(node: Node, path: string, depth: number): Value {
    const at = node.range?.[0] ?? 0;
    if (depth > MAX_NESTING) throw new Unreadable(at, path, `is nested deeper than ${MAX_NESTING} levels`);
    if (isAlias(node)) return this.value(this.#resolve(node, node.source, at, path), path, depth);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return this.#scalar(node, at, path);
    this.#open.add(node);
    const value = isMap(node)
      ? this.#mapping(node as YAMLMap<Node | null, Node | null>, at, path, depth)
      : this.#list(node, at, path, depth);
    this.#open.delete(node);
    return value;
  }

  #resolve(alias: Node, name: string, at: number, path: string): Node {
    const target = this.#meant.get(alias) ?? this.#anchors.get(name);
    if (target === undefined) throw new Unreadable(at, path, 'is an alias without an anchor before it');
    this.#meant.set(alias, target);
    if (this.#open.has(target)) throw new Unreadable(at, path, 'is an alias of what it stands in');
    this.#expansions += 1;
    const [from, , to] = target.range ?? [0, 0, 0];
    this.#expanded += to - from;
    if (this.#expansions > MAX_ALIAS_EXPANSIONS) {
      throw new Unreadable(at, path, `is one of more than ${MAX_ALIAS_EXPANSIONS} expansions of aliases`);
    }
    // A hundred copies of a large part are too much as well.
    if (this.#expanded > MAX_TEXT_BYTES) {
      throw new Unreadable(at, path, `makes the document larger than ${MAX_TEXT_BYTES / 1024} KiB`);
    }
    return target;
  }

  #scalar(node: { value: unknown; source?: string }, at: number, path: string): Scalar {
    const { value } = node;
    const source = node.source ?? '';
    if (typeof value === 'string' && UNSTORABLE.test(value)) {
      this.#findings.error(at, path, 'has a character that cannot be stored');
    }
    if (value === null || typeof value === 'string' || typeof value === 'boolean') {
      return { kind: 'scalar', at, value, source: typeof value === 'string' ? value : source };
    }
    // JSON has neither infinity nor NaN.
    return { kind: 'scalar', at, value: Number.isFinite(value) ? (value as number) : source, source };
  }

  #list(node: Node, at: number, path: string, depth: number): Value {
    const items = isSeq<Node>(node) ? node.items : [];
    return {
      kind: 'list',
      at,
      items: items.map((item, index) => this.value(item, `${path}[${index}]`, depth + 1)),
    };
  }

  #mapping(node: YAMLMap<Node | null, Node | null>, at: number, path: string, depth: number): Mapping {
    const members = new Map<string, { at: number; value: Value }>();
    for (const { key: keyNode, value: valueNode } of node.items) {
      const keyAt = keyNode?.range?.[0] ?? at;
      const key = keyNode === null ? undefined : this.#key(keyNode, path, depth);
      const inner = member(path, key ?? '?');
      if (key === undefined) this.#findings.error(keyAt, path, 'has a key that is not a text');
      const value: Value =
        valueNode === null
          ? { kind: 'scalar', at: keyAt, value: null, source: '' }
          : this.value(valueNode, inner, depth + 1);
      if (key === undefined) continue;
      if (members.has(key)) this.#findings.error(keyAt, inner, 'is a duplicate key');
      else members.set(key, { at: keyAt, value });
    }
    return { kind: 'mapping', at, members };
  }

  /** Numbers and words such as `true` are keys as they are written. */
  #key(node: Node, path: string, depth: number): string | undefined {
    const key = this.value(node, member(path, '?'), depth + 1);
    return key.kind === 'scalar' && key.value !== null ? key.source : undefined;
  }
}
