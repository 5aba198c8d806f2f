import type { TObject } from 'typebox';
import type { Clock } from '../../../platform/clock.ts';
import type { Settings } from '../../../platform/config.ts';
import type { Metrics } from '../../../platform/metrics.ts';
import type { GuardedClient } from '../../../platform/outbound/guarded.ts';
import type { OutboundResponse } from '../../../platform/outbound.ts';
import type { Facts } from '../facts.ts';

/** What became of one attempt. Expected failure is an outcome, never an exception. */
export type Outcome =
  /** `reference`: what the receiver knows the message by. */
  | { kind: 'sent'; code: number | null; body: string | null; reference?: string }
  /** `afterSeconds`: the least wait that the receiver asked for. */
  | (Failure & { kind: 'retry'; afterSeconds?: number })
  | (Failure & { kind: 'failed' });

interface Failure {
  code: number | null;
  error: string;
  body?: string;
  /** The destination, not this message, is refused: others to it will fail too until somebody repairs it. */
  permanent?: boolean;
}

/** Members of an address by name, as JSON. */
export type Address = Readonly<Record<string, unknown>>;

export interface Message {
  facts: Facts;
  /** Where to: the configuration of a target, with its credentials in clear. */
  address: Address;
  /** UUID, the same in every attempt. */
  deliveryId: string;
  /** From 1. */
  attempt: number;
}

/** What a destination of a channel is described by, for whoever stores one. */
export interface TargetKind {
  /** Unknown members are refused. */
  schema: TObject;
  /** Says what else is wrong with a configuration that fits the schema. */
  problemOf?: (config: Address) => { path: string; message: string } | undefined;
  /** Members that are secret: a text, or texts by name. They are stored sealed and may hold `${secrets.NAME}`. */
  credentials: readonly string[];
  /** Members that are addresses which callers chose: the guard judges them when they are saved. */
  urls: readonly string[];
  /** What people know the destination by; free of credentials. */
  destinationOf(config: Address): string;
  /** What tells it from other destinations of the channel. Only its digest is stored. */
  identityOf(config: Address): string;
}

/** A way to reach people. A new one is one file that makes one of these, and one line in `index.ts`. */
export interface Channel {
  readonly name: string;
  /** Waits before attempts 2, 3, …, in seconds; attempts = waits + 1 (spec 04 section 1). */
  readonly waitsSeconds: readonly number[];
  /** Why it can send nothing as Medic is configured now; undefined: it can. */
  readonly unavailable?: string | undefined;
  /** Of the operator: masked, like the credentials of an address, in everything that is told of an attempt. */
  readonly secrets?: readonly string[];
  readonly target: TargetKind;
  /** Makes one attempt, in at most `ATTEMPT_TIMEOUT_MS`. Does not throw for expected failure. */
  send(message: Message): Promise<Outcome>;
}

/** What channels are made with. */
export interface ChannelTools {
  settings: Settings;
  clock: Clock;
  metrics: Metrics;
  /** For addresses that callers chose. */
  outbound: GuardedClient;
}

/** Longest time of one attempt, in milliseconds (spec 04 section 1). */
export const ATTEMPT_TIMEOUT_MS = 30_000;
/** A receiver may ask for a longer wait than ours, up to this many seconds. */
const LONGEST_WAIT_SECONDS = 600;
/** Answers of 4xx that another attempt may change. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

/** The member of an address that is a text; empty when it is none. */
export function textOf(address: Address, member: string): string {
  const value = address[member];
  return typeof value === 'string' ? value : '';
}

/** Whether an answer of a service says that no repetition can heal it (spec 04 section 1). */
export function isRefusal(code: number): boolean {
  return code >= 400 && code < 500 && !PASSING.has(code);
}

/** An HTTP answer that is no success and worth another attempt. */
export function retryOf({ status: code, headers, body }: OutboundResponse, now: Date): Outcome {
  const header = headers['retry-after'];
  const wait = retryAfterSeconds(typeof header === 'string' ? header : undefined, now);
  return {
    kind: 'retry',
    code,
    error: `answered ${code}`,
    body,
    ...(wait === undefined ? {} : { afterSeconds: wait }),
  };
}

/** Seconds that a `Retry-After` header of a 429 or 503 asks for: a number, or an HTTP date against `now`. */
export function retryAfterSeconds(header: string | null | undefined, now: Date): number | undefined {
  if (header === null || header === undefined || header === '') return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - now.getTime()) / 1000;
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, LONGEST_WAIT_SECONDS) : undefined;
}
