import { invalid } from '../../platform/errors.ts';
import { parseDuration, parseInstant } from '../../platform/time.ts';

const LONGEST_MS = 365 * 86_400_000;

/**
 * The end of a mute that a request asks for, or undefined when it names none (spec 03 section 7).
 * Throws `bad_request` when both members are given, or the end is not in the next 365 days.
 */
export function muteEnd(
  request: { duration?: string | number; until?: string },
  now: Date,
): Date | undefined {
  const { duration, until } = request;
  if (duration !== undefined && until !== undefined)
    throw invalid('until', 'give duration or until, not both');
  if (duration !== undefined) {
    const seconds = parseDuration(duration, 'smhd');
    if (seconds === undefined) throw invalid('duration', 'must be seconds, or a number with s, m, h or d');
    return within('duration', now.getTime() + seconds * 1000, now);
  }
  if (until === undefined) return undefined;
  const end = parseInstant(until);
  if (end === undefined) throw invalid('until', 'must be a time such as 2026-03-08T08:00:00Z');
  return within('until', end.getTime(), now);
}

function within(member: string, end: number, now: Date): Date {
  if (!(end > now.getTime())) throw invalid(member, 'must lie in the future');
  if (end > now.getTime() + LONGEST_MS) throw invalid(member, 'must lie at most 365 days ahead');
  return new Date(end);
}
