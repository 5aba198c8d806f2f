const UNIT_SECONDS = { s: 1, m: 60, h: 3600 };

/**
 * Seconds of a duration in a playbook: a whole number, or a text `<n>`, `<n>s`, `<n>m` or `<n>h`, trimmed, in any
 * letter case (spec 06 section 1). Undefined for everything else.
 */
export function durationSeconds(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  if (typeof value !== 'string') return undefined;
  const match = /^(\d{1,9})([smh]?)$/.exec(value.trim().toLowerCase());
  if (match === null) return undefined;
  const unit = (match[2] || 's') as keyof typeof UNIT_SECONDS;
  return Number(match[1]) * UNIT_SECONDS[unit];
}
