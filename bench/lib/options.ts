import { parseArgs } from 'node:util';

export interface Options {
  /** Benches to run; empty: all. */
  names: string[];
  /** Length of one round of `ingest`. */
  seconds: number;
  /** Repetitions, of which the median counts. */
  rounds: number;
  /** Services of `detect`. */
  services: number;
  /** Heartbeats of each second between the bursts of `burst`. */
  rate: number;
}

export function readOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '15' },
      rounds: { type: 'string', default: '3' },
      services: { type: 'string', default: '1000000' },
      rate: { type: 'string', default: '1200' },
    },
  });
  const number = (name: 'seconds' | 'rounds' | 'services' | 'rate') => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new Error(`--${name} must be a number above 0`);
    return value;
  };
  return {
    names: positionals,
    seconds: number('seconds'),
    rounds: number('rounds'),
    services: number('services'),
    rate: number('rate'),
  };
}
