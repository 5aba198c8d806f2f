/** Waits before rounds 2, 3, …, in seconds (spec 04 section 4): five rounds in all. */
export const ROUND_WAITS_SECONDS = [1, 5, 30, 600] as const;

/** One of several messages of which one is enough. */
export interface Member {
  delivery_id: string;
  /** From 1: the order in which they are tried. */
  position: number;
  status: string;
  /** The last round in which it was tried; 0: in none yet. */
  round: number;
  /** It is its turn: an attempt is due or under way. */
  active: boolean;
  /** The receiver asked for no attempt before. */
  not_before: Date | null;
}

export type Turn =
  /** One took the message: the others are not needed. */
  | { kind: 'told' }
  /** It is the turn of one already, or there is none left that could be tried. */
  | { kind: 'under_way' | 'over' }
  /** Five rounds were in vain, or every one of them refused for good. */
  | { kind: 'in_vain' }
  | { kind: 'try'; member: Member; round: number; at: Date };

/**
 * Whose turn it is: each round tries everyone once, in order, and a round in vain is repeated after a while. Whoever
 * asked to be left alone for longer is passed over until then.
 * @param jitter lengthens the waits between rounds by this share.
 */
export function nextTurn(members: readonly Member[], now: Date, jitter: number): Turn {
  const open = members.filter(({ status }) => status === 'pending' || status === 'retrying');
  if (members.some(({ status }) => status === 'success')) return { kind: 'told' };
  if (open.length === 0) return { kind: 'over' };
  if (open.some(({ active }) => active)) return { kind: 'under_way' };
  const round = Math.max(1, ...members.map((member) => member.round));
  const inRound = firstAt(
    open.filter((member) => member.round < round),
    now,
  );
  if (inRound !== undefined) return { kind: 'try', member: inRound, round, at: now };
  const wait = ROUND_WAITS_SECONDS[round - 1];
  if (wait === undefined) return { kind: 'in_vain' };
  const start = new Date(now.getTime() + wait * 1000 * (1 + jitter));
  const earliest = Math.min(...open.map(({ not_before }) => not_before?.getTime() ?? 0));
  const at = earliest > start.getTime() ? new Date(earliest) : start;
  return { kind: 'try', member: firstAt(open, at) as Member, round: round + 1, at };
}

function firstAt(members: readonly Member[], at: Date): Member | undefined {
  return members
    .toSorted((one, other) => one.position - other.position)
    .find(({ not_before }) => not_before === null || not_before <= at);
}
