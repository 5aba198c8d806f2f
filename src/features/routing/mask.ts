/** Stands for a credential in answers; sent back it keeps the stored value (spec 04 section 9). */
export const MASK = '***';

type Members = Readonly<Record<string, unknown>>;

/** What may be shown: a credential that is a text is masked, of one that is a map of texts the names stay. */
export function masked(full: Members, credentials: readonly string[]): Members {
  return Object.fromEntries(
    Object.entries(full).map(([member, value]) => [
      member,
      credentials.includes(member) ? hide(value) : value,
    ]),
  );
}

function hide(value: unknown): unknown {
  return isMap(value) ? Object.fromEntries(Object.keys(value).map((name) => [name, MASK])) : MASK;
}

/**
 * What is meant by a configuration that has masks in place of credentials.
 * @param stored opens what is stored; called only when there is a mask
 * @returns `unknown`: the path of a mask that stands for nothing
 */
export function unmask(
  given: Members,
  credentials: readonly string[],
  stored: (() => Members) | undefined,
): { full: Members } | { unknown: string } {
  const full = { ...given };
  for (const member of credentials) {
    const value = given[member];
    if (!holdsMask(value)) continue;
    const before = stored?.()[member];
    if (value === MASK) {
      if (typeof before !== 'string') return { unknown: member };
      full[member] = before;
      continue;
    }
    const kept = new Map(isMap(before) ? Object.entries(before).map(([k, v]) => [k.toLowerCase(), v]) : []);
    const entries = Object.entries(value as Members).map(
      ([name, one]) => [name, one === MASK ? kept.get(name.toLowerCase()) : one] as const,
    );
    const lost = entries.find(([, one]) => one === undefined);
    if (lost !== undefined) return { unknown: `${member}.${lost[0].slice(0, 100)}` };
    full[member] = Object.fromEntries(entries);
  }
  return { full };
}

function holdsMask(value: unknown): boolean {
  return value === MASK || (isMap(value) && Object.values(value).includes(MASK));
}

function isMap(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
