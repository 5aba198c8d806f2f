/** Reads one variable: takes its text (undefined when unset or empty) and returns its value, or throws. */
export type Reader<T> = (text: string | undefined) => T;

/** A variable with an impossible value; the message names it. Stops the start (spec README, convention 6). */
export class ConfigurationError extends Error {
  constructor(variable: string, problem: string) {
    super(`${variable}: ${problem}`);
    this.name = 'ConfigurationError';
  }
}

/** Reads every variable of a table. Throws ConfigurationError for the first impossible value. */
export function readEnvironment<T extends Record<string, Reader<unknown>>>(
  variables: T,
  environment: NodeJS.ProcessEnv,
): { [Name in keyof T]: ReturnType<T[Name]> } {
  const values = Object.entries(variables).map(([name, read]) => {
    const text = environment[name]?.trim();
    try {
      return [name, read(text === '' ? undefined : text)];
    } catch (error) {
      throw new ConfigurationError(name, error instanceof Error ? error.message : String(error));
    }
  });
  return Object.fromEntries(values) as { [Name in keyof T]: ReturnType<T[Name]> };
}

export function text(fallback: string): Reader<string>;
export function text(): Reader<string | undefined>;
export function text(fallback?: string): Reader<string | undefined> {
  return (value) => value ?? fallback;
}

export function integer<Fallback extends number | undefined>(
  fallback: Fallback,
  min: number,
  max: number,
): Reader<number | Fallback> {
  return (value) => {
    if (value === undefined) return fallback;
    const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) {
      throw new Error(`must be a whole number from ${min} to ${max}, not "${value}"`);
    }
    return number;
  };
}

export function boolean(fallback: boolean): Reader<boolean>;
export function boolean(): Reader<boolean | undefined>;
export function boolean(fallback?: boolean): Reader<boolean | undefined> {
  return (value) => {
    switch (value?.toLowerCase()) {
      case undefined:
        return fallback;
      case 'true':
      case '1':
        return true;
      case 'false':
      case '0':
        return false;
      default:
        throw new Error(`must be true, false, 1 or 0, not "${value}"`);
    }
  };
}

/** One of a few words, in any letter case; the value is in the documented spelling. */
export function oneOf<const Word extends string>(fallback: Word, words: readonly Word[]): Reader<Word> {
  return (value) => {
    if (value === undefined) return fallback;
    const found = words.find((word) => word.toLowerCase() === value.toLowerCase());
    if (found === undefined) throw new Error(`must be one of ${words.join(', ')}, not "${value}"`);
    return found;
  };
}

/** An absolute http(s) address, without a slash at its end. */
export function httpUrl(fallback: string): Reader<string> {
  return (value) => {
    if (value === undefined) return fallback;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
      throw new Error('must be an absolute http or https address');
    }
    return value.replace(/\/+$/, '');
  };
}

/** `redis://…` or, with TLS, `rediss://…`; the text, which may hold a password, is never repeated. */
export function redisUrl(): Reader<string | undefined> {
  return (value) => {
    if (value === undefined) return undefined;
    if (!/^rediss?:\/\//i.test(value) || !URL.canParse(value)) {
      throw new Error('must begin with redis:// or rediss://');
    }
    return value;
  };
}

/** An SMTP server, such as `smtp://user:password@host:587`. */
export function smtpUrl(): Reader<string | undefined> {
  return (value) => {
    if (value === undefined) return undefined;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if ((url?.protocol !== 'smtp:' && url?.protocol !== 'smtps:') || url.hostname === '') {
      throw new Error('must be an address such as smtp://user:password@host:587');
    }
    return value;
  };
}

/** A name of the IANA time zone database. */
export function timeZone(fallback: string): Reader<string> {
  return (value) => {
    if (value === undefined) return fallback;
    try {
      return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
    } catch {
      throw new Error(`"${value}" is not a time zone of the IANA database`);
    }
  };
}
