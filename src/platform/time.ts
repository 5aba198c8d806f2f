/** Time texts that callers may send; a value without zone is UTC (spec README, convention 2). */
const INSTANT =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)\s?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

/** The instant of a time text, or undefined when it is not one; nothing is guessed. */
export function parseInstant(text: string): Date | undefined {
  const match = INSTANT.exec(text.trim());
  if (match === null) return undefined;
  const [, date, time = '00:00', zone = 'Z'] = match;
  try {
    const instant = Temporal.Instant.from(`${date}T${time.replace(',', '.')}${zone.toUpperCase()}`);
    // Temporal reads second 60 as 59; a leap second that Medic cannot store is not accepted as another one.
    return /^\d{2}:\d{2}:6/.test(time) ? undefined : new Date(instant.epochMilliseconds);
  } catch {
    return undefined;
  }
}

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a duration: an integer, or `<n>` with one of the given units; undefined when it is not one. */
export function parseDuration(value: string | number, units: string): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  const match = /^(\d{1,12})([a-z])$/i.exec(value.trim());
  const unit = match?.[2]?.toLowerCase() ?? '';
  if (match === null || !units.includes(unit)) return undefined;
  return Number(match[1]) * (UNIT_SECONDS[unit] ?? 1);
}
