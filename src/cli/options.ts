import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../platform/time.ts';

/** Reads a whole number within limits. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= min && number <= max)) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}

/** Reads a duration such as 90, 90s, 5m or 2h; the value is in seconds. */
export function duration(min: number): (text: string) => number {
  return (text) => {
    const seconds = parseDuration(text, 'smh');
    if (seconds === undefined || seconds < min) {
      throw new InvalidArgumentError('It must be a duration such as 90s, 5m or 2h.');
    }
    return seconds;
  };
}
