import { MedicError } from '../platform/errors.ts';
import { MAX_ID } from '../platform/schema.ts';

/** The id in a path; what is no non-negative integer names nothing, so it is "not found" (spec 10 section 1). */
export function idOf(text: string, noun: string): number {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(id <= MAX_ID)) throw new MedicError('not_found', `${noun} not found`);
  return id;
}
